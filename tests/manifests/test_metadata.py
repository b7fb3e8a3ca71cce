"""Names, namespaces, labels and annotations."""

import pytest

from manifests.base import LABELS_LIMIT
from manifests.registry import parse
from manifests.virtual_server import ZONE_LABEL, VirtualServer
from tests.manifests.examples import at, hypervisor, refused, virtual_server

HOSTILE = ["", "../x", "a/b", "a\0", "web\n", "-web", "web\u202e", "Web", "x" * 300]
A_KEY = "a key has at most 63 letters, digits, '-', '_' and '.', after a DNS name and '/' if it has one"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused(name: str) -> None:
    assert list(refused(at(virtual_server(), "metadata.name", name))) == ["metadata.name"]


@pytest.mark.parametrize("namespace", [*HOSTILE, "a.b"])
def test_a_hostile_namespace_is_refused(namespace: str) -> None:
    assert list(refused(at(virtual_server(), "metadata.namespace", namespace))) == ["metadata.namespace"]


def test_an_object_without_a_namespace_is_in_the_default_one() -> None:
    assert parse(virtual_server()).namespace == "default"


def test_kinds_of_the_fleet_have_no_namespace() -> None:
    document = hypervisor(simulator={"directory": "/d"})
    assert parse(document).namespace == ""
    assert refused(at(document, "metadata.namespace", "team")) == {"metadata.namespace": "unknown field"}


@pytest.mark.parametrize("value", ["", "a", "z-1_2.3", "A" * 63])
def test_labels_and_annotations_are_kept(value: str) -> None:
    labels = {"app": value, "example.org/role": value}
    document = parse(at(at(virtual_server(), "metadata.labels", labels), "metadata.annotations", labels)).document()
    assert (document["metadata"]["labels"], document["metadata"]["annotations"]) == (labels, labels)


@pytest.mark.parametrize("value", ["a b", "-a", "a-", "a/b", "../z", "ä", "a\n", "A" * 64, "' OR 1=1"])
def test_a_label_that_kubernetes_would_refuse_is_refused(value: str) -> None:
    expected = "a label has at most 63 letters, digits, '-', '_' and '.'; a letter or digit first and last"
    assert refused(at(virtual_server(), "metadata.labels", {"app": value})) == {"metadata.labels.app": expected}


@pytest.mark.parametrize("key", ["", "a b", "/a", "a/", "a/b/c", "Example.org/a", "a\n", "b" * 64, "é"])
@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_a_key_that_kubernetes_would_refuse_is_refused(field: str, key: str) -> None:
    assert list(refused(at(virtual_server(), f"metadata.{field}", {key: "x"})).values()) == [A_KEY]


def test_an_annotation_may_be_long_and_say_anything_printable() -> None:
    text = '<a href="x">\n' * 1000
    document = parse(at(virtual_server(), "metadata.annotations", {"note": text})).document()
    assert document["metadata"]["annotations"] == {"note": text}


def test_an_annotation_says_nothing_unprintable() -> None:
    causes = refused(at(virtual_server(), "metadata.annotations", {"note": "\x1b[2J"}))
    assert list(causes) == ["metadata.annotations.note"]


@pytest.mark.parametrize("annotations", [{"note": "x" * 262141}, {f"note{n}": "x" * 60000 for n in range(5)}])
def test_annotations_are_limited_all_together(annotations: dict[str, str]) -> None:
    causes = refused(at(virtual_server(), "metadata.annotations", annotations))
    assert list(causes) == ["metadata.annotations"]
    assert "262144 bytes" in causes["metadata.annotations"]


def test_labels_are_limited_in_number() -> None:
    labels = {f"label-{each}": "x" for each in range(LABELS_LIMIT + 1)}
    causes = refused(at(virtual_server(), "metadata.labels", labels))
    assert causes == {"metadata.labels": "at most 256 labels"}
    labels.popitem()
    assert parse(at(virtual_server(), "metadata.labels", labels)).metadata.labels == labels


def test_the_zone_label_says_where_a_vm_must_be() -> None:
    manifest = parse(at(virtual_server(), "metadata.labels", {ZONE_LABEL: "z1"}))
    assert isinstance(manifest, VirtualServer)
    assert manifest.machine().zone == "z1"


def test_a_vm_without_the_label_may_be_anywhere() -> None:
    manifest = parse(virtual_server())
    assert isinstance(manifest, VirtualServer)
    assert manifest.machine().zone == ""


def test_what_the_server_adds_is_accepted_and_not_kept() -> None:
    read_back = virtual_server() | {"status": {"printableStatus": "Running"}}
    read_back["metadata"] |= {
        "uid": "8c3a4f5e",
        "generation": 3,
        "resourceVersion": "12",
        "creationTimestamp": "2026-01-01T12:00:00Z",
        "deletionTimestamp": None,
        "deletionGracePeriodSeconds": 0,
        "selfLink": "/apis/tensorstack.dev/v1beta1/namespaces/default/virtualservers/web",
    }
    assert parse(read_back).document() == parse(virtual_server()).document()


def test_what_tools_note_is_kept_as_they_wrote_it() -> None:
    noted = {
        "generateName": "web-",
        "finalizers": ["example.org/wait"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "1", "controller": True}],
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {".": {}, "f:network": {}}}}],
    }
    manifest = virtual_server()
    manifest["metadata"] |= noted
    kept = parse(manifest).document()["metadata"]
    assert {name: kept[name] for name in noted} == noted
    assert parse(manifest).content() == parse(virtual_server()).content()
