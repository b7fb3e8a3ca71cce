"""OpenAPI: everything is described, everything referred to is there, and it is a valid document."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from api import openapi
from api.descriptions import described
from api.operations import patch_types, paths_of
from api.resources import RESOURCES, Resource, api_versions
from api.schemas import REFERENCE, components


def fields_of_kinds() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for resource in RESOURCES:
        for name, schema in components(resource).items():
            for field, each in schema.get("properties", {}).items():
                yield name, field, each


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.kind)
def test_every_field_of_every_kind_has_a_description(resource: Resource) -> None:
    bare = [
        f"{name}.{field}"
        for name, schema in components(resource).items()
        for field, each in schema.get("properties", {}).items()
        if not each.get("description")
    ]
    assert bare == []


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.kind)
def test_every_kind_is_described(resource: Resource) -> None:
    schema = components(resource)[resource.component]
    assert schema["description"]
    assert schema["x-kubernetes-group-version-kind"] == [resource.group_version_kind]
    assert schema["type"] == "object"


def test_descriptions_are_sentences() -> None:
    wrong = [f"{name}.{field}" for name, field, each in fields_of_kinds() if each["description"][-1] not in ".!?"]
    assert wrong == []


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


@pytest.mark.parametrize("api_version", api_versions(RESOURCES))
def test_every_reference_leads_somewhere(api_version: str) -> None:
    document = openapi.document(api_version, RESOURCES)
    assert document
    schemas = document["components"]["schemas"]
    assert {each.removeprefix(REFERENCE) for each in references(document)} <= schemas.keys()


JSON_SCHEMA_ONLY = {"const", "$defs", "propertyNames", "prefixItems", "title"}


def keywords(schema: dict[str, Any]) -> Iterator[str]:
    yield from schema
    for each in schema.get("properties", {}).values():
        yield from keywords(each)
    for nested in ("items", "additionalProperties"):
        if isinstance(schema.get(nested), dict):
            yield from keywords(schema[nested])


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.kind)
def test_schemas_use_only_words_of_openapi_3_0(resource: Resource) -> None:
    used = {word for schema in components(resource).values() for word in keywords(schema)}
    assert used.isdisjoint(JSON_SCHEMA_ONLY)


@pytest.mark.parametrize("api_version", api_versions(RESOURCES))
def test_operation_ids_are_unique(api_version: str) -> None:
    document = openapi.document(api_version, RESOURCES)
    assert document
    ids = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.kind)
def test_kubectl_finds_what_it_looks_up(resource: Resource) -> None:
    """`explain` asks the list's operation for its kind; `--validate` asks a patch for its parameters."""
    document = openapi.document(resource.api_version, RESOURCES)
    assert document
    listing = document["paths"][f"{resource.root}/{resource.plural}"]["get"]
    assert listing["x-kubernetes-group-version-kind"] == resource.group_version_kind
    if "patch" in resource.verbs:
        patch = document["paths"][resource.path("{namespace}", "{name}")]["patch"]
        names = {each["name"] for each in patch["parameters"]}
        assert {"dryRun", "fieldValidation", "fieldManager", "force"} <= names
        assert list(patch["requestBody"]["content"]) == list(patch_types(resource))


def test_the_index_names_every_version_by_the_hash_of_its_document() -> None:
    paths = openapi.index(RESOURCES)["paths"]
    assert paths.keys() == {
        "api/v1",
        "apis/storage.k8s.io/v1",
        "apis/tensorstack.dev/v1beta1",
        "apis/vmflow.dev/v1alpha1",
    }
    urls = {each["serverRelativeURL"] for each in paths.values()}
    assert len(urls) == len(paths)
    assert openapi.index(RESOURCES) == openapi.index(list(RESOURCES))


def test_there_is_no_document_of_a_version_that_is_not_there() -> None:
    assert openapi.document("apps/v1", RESOURCES) is None


def test_a_document_has_the_same_hash_wherever_it_is_made() -> None:
    digest = openapi.digest("v1", RESOURCES)
    assert openapi.index(RESOURCES)["paths"]["api/v1"]["serverRelativeURL"] == f"/openapi/v3/api/v1?hash={digest}"


def test_a_class_without_fields_is_described_all_the_same() -> None:
    assert described("A zone: it has none.", []) == ("A zone: it has none.", {})


def test_a_resource_that_is_only_read_has_only_reading_operations() -> None:
    paths = paths_of(replace(RESOURCES[0], verbs=("get",), subresources=()))
    assert {path: set(item) - {"parameters"} for path, item in paths.items()} == {
        RESOURCES[0].path("{namespace}", "{name}"): {"get"}
    }


def test_documents_are_json() -> None:
    for each in api_versions(RESOURCES):
        assert json.loads(json.dumps(openapi.document(each, RESOURCES)))


def test_unions_of_objects_have_the_fields_of_all() -> None:
    resource = next(each for each in RESOURCES if each.kind == "Hypervisor")
    network = components(resource)["dev.vmflow.v1alpha1.Libvirt"]["properties"]["network"]
    assert network["properties"].keys() >= {"kind", "name", "bridge", "subnet", "listen"}
    assert network["properties"]["kind"]["enum"] == ["nat", "user"]


def test_enumerations_stand_where_they_are_used() -> None:
    resource = next(each for each in RESOURCES if each.kind == "VirtualServer")
    strategy = components(resource)["dev.tensorstack.v1beta1.VirtualServerSpec"]["properties"]["runStrategy"]
    assert strategy["enum"][0] == "Always"
    assert strategy["default"] == "Always"


def test_a_docstring_tells_of_the_class_and_of_its_fields() -> None:
    text = "CPUs of the guest. cores: whole number; model: a QEMU CPU model,\nor none.\n\nmaxCores: how many: at most."
    about, fields = described(text, ["cores", "model", "maxCores"])
    assert about == "CPUs of the guest."
    assert fields == {
        "cores": "Whole number.",
        "model": "A QEMU CPU model, or none.",
        "maxCores": "How many: at most.",
    }


def test_fields_may_share_a_text_and_other_colons_are_just_colons() -> None:
    about, fields = described("Ports: what is open.\n\ntcp, udp: each once.", ["tcp", "udp"])
    assert about == "Ports: what is open."
    assert fields == {"tcp": "Each once.", "udp": "Each once."}
