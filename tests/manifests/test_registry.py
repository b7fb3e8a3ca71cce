"""The registry: which kinds there are, what people call them, and which workflow lives them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.image import ImageSource
from domain.run_strategy import RunStrategy
from manifests.base import InvalidManifestError
from manifests.contract import LEDGER_QUEUE, LIFECYCLE_QUEUE, WorkflowType
from manifests.image import image_for
from manifests.registry import KINDS, id_of, kind_called, kind_of, parse
from tests.manifests.examples import URL, Document, hypervisor, virtual_server
from tests.manifests.test_kubernetes_documents import DOCUMENTS

ZONE = {"apiVersion": "vmflow.dev/v1alpha1", "kind": "Zone", "metadata": {"name": "z1"}}
DECLARED = {
    document["kind"]: {name: value for name, value in document.items() if name != "status"}
    for document in reversed(DOCUMENTS)
}
"""The first example of each kind that is only declared."""
OBJECTS: dict[str, Document] = {
    "VirtualServer": virtual_server(),
    "Image": image_for("team", ImageSource(url=URL)).document(),
    "Hypervisor": hypervisor(simulator={"directory": "/d"}),
    "Zone": ZONE,
    **DECLARED,
}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("virtualserver", "virtualservers", "VirtualServer", "vs", "vm", "vms", "VM"), "VirtualServer"),
        (("image", "images", "img"), "Image"),
        (("hypervisor", "hypervisors", "hv"), "Hypervisor"),
        (("zone", "zones"), "Zone"),
        (("account", "accounts"), "Account"),
        (("ns", "namespace", "namespaces"), "Namespace"),
        (("cm", "configmap", "configmaps"), "ConfigMap"),
        (("secret", "secrets"), "Secret"),
        (("sa", "serviceaccount", "serviceaccounts"), "ServiceAccount"),
        (("pvc", "persistentvolumeclaim", "persistentvolumeclaims"), "PersistentVolumeClaim"),
        (("svc", "service", "services"), "Service"),
        (("quota", "resourcequota", "resourcequotas"), "ResourceQuota"),
        (("sc", "storageclass", "storageclasses"), "StorageClass"),
    ],
)
def test_people_call_kinds_as_they_like(words: tuple[str, ...], kind: str) -> None:
    assert {kind_called(word).kind for word in words} == {kind}


def test_no_word_means_two_kinds() -> None:
    words = [word for kind in KINDS for word in kind.names]
    assert len(words) == len(set(words))


def test_an_unknown_word_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="there is no kind 'pods'; there are accounts, configmaps, "):
        kind_called("pods")


@pytest.mark.parametrize(
    ("kind", "workflow", "queue", "object_id"),
    [
        ("VirtualServer", WorkflowType.VIRTUAL_MACHINE, LIFECYCLE_QUEUE, "VirtualServer/default/web"),
        ("Hypervisor", WorkflowType.HYPERVISOR, LIFECYCLE_QUEUE, "Hypervisor/h1"),
        ("Zone", WorkflowType.ZONE, LEDGER_QUEUE, "Zone/z1"),
        ("ConfigMap", WorkflowType.DECLARATION, LIFECYCLE_QUEUE, "ConfigMap/default/game-demo"),
        ("StorageClass", WorkflowType.DECLARATION, LIFECYCLE_QUEUE, "StorageClass/low-latency"),
        ("Namespace", WorkflowType.NAMESPACE, LIFECYCLE_QUEUE, "Namespace/development"),
    ],
)
def test_an_object_is_lived_by_the_workflow_of_its_kind(kind: str, workflow: str, queue: str, object_id: str) -> None:
    found = kind_of(OBJECTS[kind])
    assert (found.workflow, found.queue) == (workflow, queue)
    assert id_of(parse(OBJECTS[kind])) == object_id


@pytest.mark.parametrize("kind", OBJECTS)
def test_what_goes_over_the_wire_comes_back_the_same(kind: str) -> None:
    manifest = parse(OBJECTS[kind])
    assert parse(manifest.document()) == manifest
    assert parse(manifest.document()).document() == manifest.document()


def test_every_kind_is_tried_here() -> None:
    assert {kind.kind for kind in KINDS} == set(OBJECTS)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "VirtualServer"},
        {"apiVersion": "v1", "kind": "Pod"},
        {"apiVersion": "vmflow.dev/v1alpha1", "kind": "VirtualServer"},
        {"apiVersion": ["tensorstack.dev/v1beta1"], "kind": {}},
    ],
)
def test_a_document_of_no_known_kind_is_answered_with_the_known_ones(document: Document) -> None:
    with pytest.raises(InvalidManifestError, match=r"VirtualServer of tensorstack\.dev/v1beta1, Image of vmflow") as no:
        parse(document)
    assert [field for field, _ in no.value.causes] == ["kind"]


@pytest.mark.parametrize(
    ("kind", "group", "version", "singular", "list_kind"),
    [
        ("VirtualServer", "tensorstack.dev", "v1beta1", "virtualserver", "VirtualServerList"),
        ("ConfigMap", "", "v1", "configmap", "ConfigMapList"),
        ("StorageClass", "storage.k8s.io", "v1", "storageclass", "StorageClassList"),
    ],
)
def test_a_kind_is_told_in_kubernetes_words(kind: str, group: str, version: str, singular: str, list_kind: str) -> None:
    row = kind_called(kind)
    assert (row.group, row.version, row.singular, row.list_kind) == (group, version, singular, list_kind)


servers = st.fixed_dictionaries(
    {
        "resources": st.fixed_dictionaries(
            {"memory": st.integers(2**25, 2**40).map(str) | st.sampled_from(["512Mi", "8Gi"])},
            optional={
                "cpu": st.fixed_dictionaries({}, optional={"cores": st.integers(1, 64), "model": st.just("Conroe")})
            },
        ),
        "storage": st.just(virtual_server()["spec"]["storage"]),
    },
    optional={
        "network": st.fixed_dictionaries(
            {},
            optional={
                "tcp": st.lists(st.integers(1, 65535), unique=True, max_size=5),
                "udp": st.lists(st.integers(1, 65535), unique=True, max_size=5),
                "macAddress": st.sampled_from(["", "52:54:00:00:00:01"]),
            },
        ),
        "cloudInit": st.text(st.characters(exclude_categories=["C"]), max_size=50),
        "runStrategy": st.sampled_from(list(map(str, RunStrategy))),
    },
)


@given(servers)
def test_any_virtual_server_survives_the_wire(spec: Document) -> None:
    manifest = parse(virtual_server() | {"spec": spec})
    assert parse(manifest.document()) == manifest
