"""OpenAPI v2 for clients older than Kubernetes 1.28, in JSON and in gnostic's protobuf."""

from typing import Any

from api import openapi_v2
from api.protobuf import _text, _wire
from api.resources import RESOURCES
from tests.api.talking import Talker

VIRTUAL_SERVER = "dev.tensorstack.v1beta1.VirtualServer"
DOCUMENT = openapi_v2.document(RESOURCES)


def definitions(raw: bytes) -> dict[str, dict[int, list[Any]]]:
    """Return the schemas of an encoded document by name: each field's number with its values."""
    (found,) = [value for number, value in _wire(raw) if number == 9]
    named = [fields(value) for number, value in _wire(bytes(found)) if number == 1]
    return {_text(each[1][0]): fields(each[2][0]) for each in named}


def fields(raw: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for number, value in _wire(bytes(raw)):
        found.setdefault(number, []).append(value)
    return found


def test_every_reference_leads_to_a_definition() -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(each) for each in value.values()))
        return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()

    assert {each.removeprefix("#/definitions/") for each in references(DOCUMENT)} <= set(DOCUMENT["definitions"])


def test_nothing_of_v3_is_left() -> None:
    assert "allOf" not in str(DOCUMENT)
    assert "components" not in str(DOCUMENT)


def test_a_schema_is_the_same_in_protobuf() -> None:
    encoded = definitions(openapi_v2.encoded(DOCUMENT))
    assert set(encoded) == set(DOCUMENT["definitions"])
    said = encoded[VIRTUAL_SERVER]
    assert _text(fields(said[22][0])[1][0]) == "object"
    properties = [fields(each) for each in fields(said[25][0])[1]]
    assert {_text(each[1][0]) for each in properties} == set(DOCUMENT["definitions"][VIRTUAL_SERVER]["properties"])
    extensions = {_text(fields(each)[1][0]): fields(fields(each)[2][0])[2][0] for each in said[31]}
    assert b'"kind": "VirtualServer"' in extensions["x-kubernetes-group-version-kind"]


def test_a_kind_that_is_patched_says_that_it_can_be_tried_without_writing() -> None:
    patches = [item["patch"] for item in DOCUMENT["paths"].values()]
    kinds = {each["x-kubernetes-group-version-kind"]["kind"] for each in patches}
    assert {"VirtualServer", "ConfigMap", "Namespace"} <= kinds
    assert all("dryRun" in [parameter["name"] for parameter in each["parameters"]] for each in patches)


async def test_a_client_gets_the_form_it_asks_for(admin: Talker) -> None:
    binary = await admin.http.get("/openapi/v2", headers={"Accept": openapi_v2.ASKED_FOR})
    assert binary.headers["content-type"] == openapi_v2.PROTOBUF
    assert VIRTUAL_SERVER in definitions(binary.content)
    assert (await admin.get("/openapi/v2"))["swagger"] == "2.0"
