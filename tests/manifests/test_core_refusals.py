"""What Kubernetes refuses of its own kinds is refused here, with the field."""

from typing import Any

import pytest

from domain.access import Grant, Role
from manifests.account import Account
from manifests.base import InvalidManifestError
from manifests.core import default_namespace
from manifests.registry import parse
from tests.manifests.examples import Document, at, causes, refused
from tests.manifests.test_kubernetes_documents import DOCUMENTS


def claim(**spec: object) -> Document:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {**wanted, **spec},
    }


def service(**spec: object) -> Document:
    ports = [{"port": 80}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": ports, **spec}}


def quota(**spec: object) -> Document:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"}, "spec": spec}


def storage_class(**fields: object) -> Document:
    meta = {"name": "fast"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": meta,
        "provisioner": "vmflow.dev/local",
        **fields,
    }


def edit(before: Document, after: Document) -> dict[str, str]:
    """Return what is wrong with an edit: messages by field."""
    try:
        parse(after).check_edit(parse(before))
    except InvalidManifestError as refusal:
        return dict(refusal.causes)
    return {}


@pytest.mark.parametrize("name", ["a.b", "-a", "A", "x" * 64, ""])
def test_a_namespaces_name_is_one_label(name: str) -> None:
    assert list(refused({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})) == ["metadata.name"]


def test_the_default_namespace_is_a_namespace() -> None:
    assert parse(default_namespace()).document() == default_namespace()


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"accessModes": []}, "spec.accessModes"),
        ({"accessModes": ["Sometimes"]}, "spec.accessModes[0]"),
        ({"resources": {}}, "spec.resources.requests"),
        ({"resources": {"requests": {"storage": "0"}}}, "spec.resources.requests.storage"),
        ({"resources": {"requests": {"storage": "much"}}}, "spec.resources.requests.storage"),
        ({"resources": {"requests": {"storage": True}}}, "spec.resources.requests.storage"),
        ({"resources": {"requests": {}}}, "spec"),
        ({"volumeMode": "Tape"}, "spec.volumeMode"),
        ({"colour": "red"}, "spec.colour"),
    ],
)
def test_claims_that_nothing_could_meet(spec: dict[str, Any], field: str) -> None:
    assert list(refused(claim(**spec))) == [field]


def test_a_claim_waits_for_volumes_and_says_so() -> None:
    status = parse(claim()).standing()
    assert status["phase"] == "Pending"
    assert "not provided yet" in status["conditions"][0]["message"]


def test_a_claim_may_grow_and_nothing_else_of_it_changes() -> None:
    def of(storage: str, **spec: object) -> Document:
        return claim(resources={"requests": {"storage": storage}}, **spec)

    assert edit(of("8Gi"), of("9Gi")) == {}
    assert edit(of("8Gi"), of("8192Mi")) == {}
    shrunk = {"spec.resources.requests.storage": "field can not be less than previous value 8Gi"}
    assert edit(of("8Gi"), of("7Gi")) == shrunk
    immutable = {"spec": "spec is immutable after creation except resources.requests.storage"}
    assert edit(of("8Gi"), of("8Gi", storageClassName="fast")) == immutable


@pytest.mark.parametrize("name", ["a.b", "1a", "A", "x" * 64])
def test_a_services_name_is_one_label_that_begins_with_a_letter(name: str) -> None:
    assert list(refused(at(service(), "metadata.name", name))) == ["metadata.name"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"ports": []}, "spec"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port"),
        ({"ports": [{"port": 80}, {"port": 81}]}, "spec"),
        ({"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]}, "spec"),
        ({"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}, "spec"),
        ({"ports": [{"port": 80, "name": "A"}]}, "spec.ports[0].name"),
        ({"ports": [{"port": 80, "targetPort": 0}]}, "spec.ports[0].targetPort"),
        ({"ports": [{"port": 80, "targetPort": "123"}]}, "spec.ports[0].targetPort"),
        ({"ports": [{"port": 80, "targetPort": "x" * 16}]}, "spec.ports[0].targetPort"),
        ({"ports": [{"port": 80, "targetPort": 70000}]}, "spec.ports[0].targetPort"),
        ({"type": "Elsewhere"}, "spec.type"),
        ({"type": "ExternalName"}, "spec"),
        ({"clusterIP": "somewhere"}, "spec.clusterIP"),
        ({"selector": {"app": "a b"}}, "spec.selector.app"),
    ],
)
def test_services_that_nobody_could_reach(spec: dict[str, Any], field: str) -> None:
    assert set(refused(service(**spec))) == {field}


def test_a_service_may_offer_one_number_over_two_protocols() -> None:
    ports = [{"port": 53, "name": "dns", "protocol": protocol} for protocol in ("TCP", "UDP")]
    ports[1]["name"] = "dns-udp"
    assert causes(service(ports=ports)) == {}


def test_a_service_keeps_its_address_but_may_be_given_one() -> None:
    assert edit(service(), service(clusterIP="10.0.0.1")) == {}
    immutable = {"spec.clusterIP": "field is immutable"}
    assert edit(service(clusterIP="10.0.0.1"), service(clusterIP="10.0.0.2")) == immutable
    external = service(type="ExternalName", externalName="a.example")
    assert edit(service(clusterIP="10.0.0.1"), external) == {}
    assert parse(service()).standing() == {"loadBalancer": {}}


@pytest.mark.parametrize("value", ["", "-1", "one", None, True, [], "1e999"])
def test_limits_that_are_no_quantities(value: object) -> None:
    found = refused(quota(hard={"pods": value}))
    assert set(found) == {"spec.hard.pods"}


def test_a_quota_keeps_its_scopes() -> None:
    assert edit(quota(hard={"pods": 1}), quota(hard={"pods": "2"})) == {}
    assert edit(quota(), quota(scopes=["BestEffort"])) == {"spec.scopes": "field is immutable"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"provisioner": ""}, "provisioner"),
        ({"provisioner": None}, "provisioner"),
        ({"reclaimPolicy": "Recycle"}, "reclaimPolicy"),
        ({"parameters": {"size": 5}}, "parameters.size"),
        ({"parameters": {str(number): "x" for number in range(513)}}, "parameters"),
        ({"volumeBindingMode": "Later"}, "volumeBindingMode"),
        ({"allowVolumeExpansion": "yes"}, "allowVolumeExpansion"),
    ],
)
def test_storage_classes_that_are_none(fields: dict[str, Any], field: str) -> None:
    assert list(refused(storage_class(**fields))) == [field]


@pytest.mark.parametrize(
    "changed",
    [
        {"provisioner": "another.example"},
        {"parameters": {"a": "b"}},
        {"reclaimPolicy": "Retain"},
        {"volumeBindingMode": "WaitForFirstConsumer"},
    ],
)
def test_a_storage_class_stays_what_it_is(changed: dict[str, Any]) -> None:
    assert edit(storage_class(), storage_class(**changed)) == {next(iter(changed)): "field is immutable"}
    assert edit(storage_class(), storage_class(allowVolumeExpansion=True)) == {}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"tokenHash": "vmf_something"}, "spec.tokenHash"),
        ({"roles": [{"namespace": "Team", "role": "admin"}]}, "spec.roles[0].namespace"),
        ({"roles": [{"namespace": "*", "role": "king"}]}, "spec.roles[0].role"),
        ({"tokenHash": None}, "spec.tokenHash"),
    ],
)
def test_accounts_nobody_could_use(spec: dict[str, Any], field: str) -> None:
    kept = f"sha256:{'0' * 32}:{'0' * 64}"
    document = {
        "apiVersion": "vmflow.dev/v1alpha1",
        "kind": "Account",
        "metadata": {"name": "ada"},
        "spec": {"tokenHash": kept, **spec},
    }
    assert list(refused(document)) == [field]


def test_an_accounts_roles_are_its_grants() -> None:
    account = parse(next(each for each in DOCUMENTS if each["kind"] == "Account"))
    assert isinstance(account, Account)
    everywhere = Grant(namespace="*", role=Role.VIEWER)
    assert account.grants == (Grant(namespace="team-a", role=Role.EDITOR), everywhere)
