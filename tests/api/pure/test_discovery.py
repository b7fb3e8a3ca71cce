"""Discovery says the same in its two forms."""

from typing import Any

import pytest

from api import discovery
from api.media import DISCOVERY_FORMS, Form, wanted
from api.resources import RESOURCES, api_versions, resource_at


def legacy() -> set[tuple[str, str, bool, tuple[str, ...]]]:
    found = set()
    for api_version in api_versions(RESOURCES):
        listed = discovery.resource_list(api_version, RESOURCES)
        assert listed
        for row in listed["resources"]:
            found.add((api_version, row["name"], row["namespaced"], tuple(row["verbs"])))
    return found


def modern() -> set[tuple[str, str, bool, tuple[str, ...]]]:
    found = set()
    groups = [group for core in (True, False) for group in discovery.aggregated(RESOURCES, core=core)["items"]]
    for group in groups:
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            api_version = f"{name}/{version['version']}" if name else version["version"]
            for row in version["resources"]:
                scope = row["scope"] == "Namespaced"
                found.add((api_version, row["resource"], scope, tuple(row["verbs"])))
                for part in row.get("subresources", ()):
                    found.add((api_version, f"{row['resource']}/{part['subresource']}", scope, tuple(part["verbs"])))
    return found


def test_both_forms_list_the_same_resources() -> None:
    assert legacy() == modern()


def test_every_kind_is_discovered() -> None:
    assert {(each.api_version, each.plural) for each in RESOURCES} <= {(row[0], row[1]) for row in legacy()}


def test_operations_on_machines_are_subresources() -> None:
    parts = {name.partition("/")[2] for _, name, _, _ in legacy() if name.startswith("virtualservers/")}
    operations = {"start", "stop", "restart", "pause", "unpause", "softreboot", "reset"}
    assert parts == operations | {"status", "console", "vnc", "portforward", "log"}


def test_the_core_group_is_not_among_the_groups() -> None:
    groups = discovery.group_list(RESOURCES)["groups"]
    assert {each["name"] for each in groups} == {"storage.k8s.io", "tensorstack.dev", "vmflow.dev"}
    assert discovery.group_document("", RESOURCES) is None
    assert discovery.group_document("apps", RESOURCES) is None
    group: dict[str, Any] = discovery.group_document("tensorstack.dev", RESOURCES) or {}
    assert group["preferredVersion"] == {"groupVersion": "tensorstack.dev/v1beta1", "version": "v1beta1"}


def test_there_are_no_resources_of_a_version_that_is_not_there() -> None:
    assert discovery.resource_list("apps/v1", RESOURCES) is None
    assert resource_at("apps/v1", "deployments") is None


def test_the_version_is_one_kubectl_can_compare() -> None:
    assert discovery.version_document("0.1.0")["gitVersion"] == "v1.32.0+vmflow.0.1.0"
    assert discovery.core_versions("127.0.0.1:6443")["versions"] == ["v1"]


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.OBJECT),
        ("*/*", Form.OBJECT),
        ("application/json, */*", Form.OBJECT),
        (f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Form.TABLE),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Form.OBJECT),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", None),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Form.PARTIAL_LIST),
        ("application/vnd.kubernetes.protobuf,application/json", Form.OBJECT),
        ("application/vnd.kubernetes.protobuf", None),
        ("application/json;as=Nonsense;v=v1;g=meta.k8s.io,*/*", Form.OBJECT),
        ("text/html", None),
    ],
)
def test_the_first_form_that_can_be_served_is_served(accept: str, form: Form | None) -> None:
    assert wanted(accept) is form


def test_aggregated_discovery_is_asked_for_by_its_version() -> None:
    asked = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    assert wanted(asked, DISCOVERY_FORMS) is Form.DISCOVERY
    assert wanted(asked.replace("v=v2", "v=v2beta1"), DISCOVERY_FORMS) is Form.OBJECT
