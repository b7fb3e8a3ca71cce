"""The Temporal client every process uses, and the search attributes it relies on."""

import asyncio
from collections.abc import Mapping
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.service import PayloadLimitsConfig, RPCError, RPCStatusCode

from domain.problem import Problem
from runtime.settings import Settings
from runtime.wait import until

_OBJECTS_FIT = PayloadLimitsConfig(memo_warn_size=0, payloads_warn_size=0)
"""No warnings about sizes: objects live in memos, and manifests/registry.py says how large each may be."""

SearchAttributes = Mapping[str, "IndexedValueType.ValueType"]
"""Search attributes by name, with their types."""


async def connect(settings: Settings, *, patience: float = 10.0) -> Client:
    """Return a client for the settings' server and namespace; waits at most `patience` seconds for the server.

    TLS, API key and gRPC metadata come from Temporal's own environment variables.
    Raises Problem.retry `TemporalUnreachable`.
    """
    address = settings.temporal_address
    try:
        async with asyncio.timeout(patience):
            await until(lambda: _accepts(address), every=0.1)
            return await Client.connect(address, namespace=settings.temporal_namespace, **_options())
    except (TimeoutError, RuntimeError) as error:
        remedy = (
            "check TEMPORAL_ADDRESS and the server behind it"
            if settings.external_address
            else "start it with `vmflow up`, or set TEMPORAL_ADDRESS to a server that runs elsewhere"
        )
        raise Problem.retry(
            "TemporalUnreachable",
            f"no Temporal server answered at {address} within {patience:g} s; {remedy}",
            field=address,
        ) from error


def _options() -> dict[str, Any]:
    """Return the keyword arguments of `Client.connect` beside address and namespace."""
    options: dict[str, Any] = {**ClientConfig.load_client_connect_config(disable_file=True)}
    options.pop("target_host", None)
    options.pop("namespace", None)
    return {**options, "data_converter": pydantic_data_converter, "payload_limits": _OBJECTS_FIT}


async def _accepts(address: str) -> bool:
    """Tell whether something listens at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError:
        return False
    writer.close()
    return True


async def ensure_search_attributes(client: Client, attributes: SearchAttributes, *, patience: float = 60.0) -> None:
    """Register what is missing, and return when queries may name every attribute.

    Raises Problem.terminal `SearchAttributeType` when one is registered with another type, and Problem.retry
    `SearchAttributesPending` when the server does not know them in time.
    """
    if missing := await _missing(client, attributes):
        request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        try:
            await client.operator_service.add_search_attributes(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:  # somebody else registers them at the same time
                raise
    try:
        async with asyncio.timeout(patience):
            await until(lambda: _known(client, attributes), every=0.1)
    except TimeoutError as error:
        raise Problem.retry(
            "SearchAttributesPending",
            f"the Temporal server did not accept queries over {', '.join(attributes)} within {patience:g} s; try again",
            field=client.namespace,
        ) from error


async def _missing(client: Client, attributes: SearchAttributes) -> dict[str, "IndexedValueType.ValueType"]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    known = (await client.operator_service.list_search_attributes(request)).custom_attributes
    for name, kind in attributes.items():
        if name in known and known[name] != kind:
            raise Problem.terminal(
                "SearchAttributeType",
                f"registered as {IndexedValueType.Name(known[name])} in Temporal namespace {client.namespace!r}, "
                f"needed as {IndexedValueType.Name(kind)}; use another namespace, or remove the attribute there",
                field=name,
            )
    return {name: kind for name, kind in attributes.items() if name not in known}


async def _known(client: Client, attributes: SearchAttributes) -> bool:
    """Tell whether visibility accepts a query that names every attribute: a registration reaches it a moment later."""
    query = " AND ".join(f"`{name}` IS NULL" for name in attributes)
    try:
        await client.count_workflows(query)
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            return False
        raise
    return True
