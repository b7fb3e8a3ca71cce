"""Requests made by schemathesis from the OpenAPI documents: none is answered with a mistake of the gateway's."""

import asyncio
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from api import openapi, reviews
from api.event_models import CORE_EVENT, GROUP_EVENT
from api.resources import RESOURCES, api_versions
from tests.api.talking import Talker, config_map, machine, machines, maps

EXAMPLES = 8
"""Requests for each operation. They are the same in every run."""

Case = schemathesis.Case[Any]

ALL = (*RESOURCES, CORE_EVENT, GROUP_EVENT, *reviews.RESOURCES)


def cases(api_version: str) -> list[Case]:
    """Return the requests for every operation of a group and version."""
    found: list[Case] = []
    document = openapi.document(api_version, ALL)
    assert document is not None
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation: Any = result

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.ok().as_strategy())
        def collect(case: Case) -> None:
            found.append(case)

        collect()
    return found


def request(case: Case, number: int, namespace: str) -> httpx.Request:
    """Return a case as a request. Every second one is about objects that are there; nothing lasts, and nobody waits."""
    if number % 2 and case.path_parameters:
        case.path_parameters.update({key: namespace for key in case.path_parameters if key == "namespace"})
        case.path_parameters.update({key: "web" for key in case.path_parameters if key == "name"})
    sent: dict[str, Any] = case.as_transport_kwargs(base_url="https://gateway")
    query: dict[str, Any] = {**(sent.get("params") or {}), "timeoutSeconds": "1"}
    if case.method.upper() in {"DELETE", "PUT"}:
        query["dryRun"] = "All"
    headers = {key: str(value).encode("latin-1", "replace").decode("latin-1") for key, value in sent["headers"].items()}
    content = {key: sent[key] for key in ("json", "content", "files") if sent.get(key) is not None}
    if isinstance(sent.get("data"), str | bytes):
        content = {"content": sent["data"]}
    return httpx.Request(case.method, sent["url"], params=query, headers=headers, **content)


@pytest.mark.parametrize("api_version", api_versions(ALL))
async def test_no_request_is_answered_with_a_mistake_of_ours(admin: Talker, namespace: str, api_version: str) -> None:
    await admin.create(machines(namespace), machine())
    await admin.create(maps(namespace), config_map("web"))
    codes: dict[int, int] = {}
    for number, case in enumerate(await asyncio.to_thread(cases, api_version)):
        sent = request(case, number, namespace)
        sent.headers["Authorization"] = admin.http.headers["Authorization"]
        answer = await admin.http.send(sent)
        codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (sent.method, str(sent.url), sent.content[:500], answer.text)
        if answer.status_code >= 400:
            assert answer.json()["kind"] == "Status"
    assert any(code < 300 for code in codes), codes
