"""Requests made by schemathesis from the OpenAPI documents: none is answered with a mistake of the gateway's."""

import asyncio
from contextlib import suppress
from typing import Any
from unittest import SkipTest

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from api import openapi, reviews
from api.event_models import CORE_EVENT, GROUP_EVENT
from api.resources import RESOURCES, api_versions
from tests.api.talking import Talker, config_map, machine, machines, maps

EXAMPLES = 8
"""Requests for each operation. They are the same in every run."""

Case = schemathesis.Case[Any]

ALL = (*RESOURCES, CORE_EVENT, GROUP_EVENT, *reviews.RESOURCES)


def cases(api_version: str, mode: GenerationMode) -> list[Case]:
    """Return requests for every operation of a group and version: as the document allows them, or as it does not."""
    document = openapi.document(api_version, ALL)
    assert document is not None
    operations: list[Any] = list(schemathesis.openapi.from_dict(document).get_all_operations())
    return [case for operation in operations for case in requests(operation.ok(), mode)]


def requests(operation: Any, mode: GenerationMode) -> list[Case]:
    """Return the requests for one operation; none where nothing of it can be wrong."""
    found: list[Case] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        found.append(data.draw(operation.as_strategy(generation_mode=mode)))

    with suppress(Unsatisfiable, SkipTest):
        collect()
    return found


def request(case: Case, number: int, namespace: str) -> httpx.Request:
    """Return a case as a request. Every second one is about objects that are there, of a namespace of its own.

    What it does there lasts; elsewhere nothing does. Nobody waits.
    """
    if number % 2 and case.path_parameters:
        case.path_parameters.update({key: namespace for key in case.path_parameters if key == "namespace"})
        case.path_parameters.update({key: "web" for key in case.path_parameters if key == "name"})
    sent: dict[str, Any] = case.as_transport_kwargs(base_url="https://gateway")
    query: dict[str, Any] = {**(sent.get("params") or {}), "timeoutSeconds": "1"}
    if case.method.upper() in {"DELETE", "PUT"} and f"/namespaces/{namespace}/" not in sent["url"]:
        query["dryRun"] = "All"
    headers = {key: str(value).encode("latin-1", "replace").decode("latin-1") for key, value in sent["headers"].items()}
    content = {key: sent[key] for key in ("json", "content", "files") if sent.get(key) is not None}
    if isinstance(sent.get("data"), str | bytes):
        content = {"content": sent["data"]}
    return httpx.Request(case.method, sent["url"], params=query, headers=headers, **content)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
@pytest.mark.parametrize("api_version", api_versions(ALL))
async def test_no_request_is_answered_with_a_mistake_of_ours(
    admin: Talker, namespace: str, api_version: str, mode: GenerationMode
) -> None:
    await admin.create(machines(namespace), machine())
    await admin.create(maps(namespace), config_map("web"))
    codes: dict[int, int] = {}
    for number, case in enumerate(await asyncio.to_thread(cases, api_version, mode)):
        sent = request(case, number, namespace)
        sent.headers["Authorization"] = admin.http.headers["Authorization"]
        answer = await admin.http.send(sent)
        codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (sent.method, str(sent.url), sent.content[:500], answer.text)
        if answer.status_code >= 400:
            assert answer.json()["kind"] == "Status"
    assert any(code < 300 for code in codes) or mode is GenerationMode.NEGATIVE, codes
