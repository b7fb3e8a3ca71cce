"""What may be edited of a VirtualServer, and the field that is named for what may not."""

from typing import Any

import pytest

from domain.quantity import parse_bytes
from manifests.base import InvalidManifestError
from manifests.registry import parse
from manifests.virtual_server import ZONE_LABEL, VirtualServer
from tests.manifests.examples import Document, at, virtual_server

SIZE, URL = "spec.storage.root.pvc.size", "spec.storage.root.source.http.url"
PVC = "spec.storage.root.pvc"


def machine(document: Document) -> VirtualServer:
    manifest = parse(document)
    assert isinstance(manifest, VirtualServer)
    return manifest


def refused(before: Document, after: Document) -> dict[str, str]:
    """Return what is wrong with an edit: messages by field; none for one that is possible."""
    try:
        machine(after).check_edit(machine(before))
    except InvalidManifestError as problem:
        return dict(problem.causes)
    return {}


IMMUTABLE: dict[str, tuple[str, Any]] = {
    "spec.runStrategy": ("spec.runStrategy", "Manual"),
    "another image": (URL, "https://images.example/other.qcow2"),
    "another checksum": ("spec.storage.root.source.http.checksum", f"sha256:{'ab' * 32}"),
    "another mode": (f"{PVC}.volumeMode", "Block"),
    "other access": (f"{PVC}.accessModes", ["ReadWriteMany"]),
    "another class": (f"{PVC}.storageClassName", "fast"),
    "another zone": ("metadata.labels", {ZONE_LABEL: "z2"}),
}
BLAMED = {
    "spec.runStrategy": "spec.runStrategy",
    "another image": "spec.storage.root.source",
    "another checksum": "spec.storage.root.source",
    "another mode": PVC,
    "other access": PVC,
    "another class": PVC,
    "another zone": f"metadata.labels[{ZONE_LABEL}]",
}


@pytest.mark.parametrize("change", IMMUTABLE)
def test_what_a_vm_keeps_for_life_is_refused_with_the_field(change: str) -> None:
    field, value = IMMUTABLE[change]
    (blamed,) = refused(virtual_server(), at(virtual_server(), field, value)).items()
    assert blamed[0] == BLAMED[change]
    assert "immutable" in blamed[1]


def test_a_zone_cannot_be_left_either() -> None:
    before = at(virtual_server(), "metadata.labels", {ZONE_LABEL: "z1"})
    assert list(refused(before, virtual_server())) == [f"metadata.labels[{ZONE_LABEL}]"]


def test_a_root_disk_is_never_shrunk() -> None:
    (blamed,) = refused(virtual_server(), at(virtual_server(), SIZE, "3Gi")).items()
    assert blamed == (SIZE, "a root disk is never shrunk; it has 4Gi")


def test_everything_that_is_wrong_with_an_edit_is_named_at_once() -> None:
    after = at(at(virtual_server(), SIZE, "3Gi"), "spec.runStrategy", "Halted")
    assert set(refused(virtual_server(), at(after, URL, "https://images.example/other.qcow2"))) == {
        SIZE,
        "spec.runStrategy",
        "spec.storage.root.source",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spec.resources.memory", "512Mi"),
        ("spec.resources.memory", "64Gi"),
        ("spec.resources.maxMemory", "64Gi"),
        ("spec.resources.cpu", {"cores": 4, "maxCores": 8, "model": "Conroe"}),
        (SIZE, "40Gi"),
        (SIZE, "4096Mi"),
        ("spec.network", {"tcp": [80], "udp": [53], "macAddress": "52:54:00:00:00:01"}),
        ("spec.cloudInit", "#cloud-config\n"),
        ("metadata.labels", {"tier": "web"}),
        ("metadata.annotations", {"note": "edited"}),
        ("spec.runStrategy", "Always"),
    ],
)
def test_the_rest_may_be_edited(field: str, value: object) -> None:
    assert refused(virtual_server(), at(virtual_server(), field, value)) == {}


def test_a_size_written_in_another_way_is_the_same_size() -> None:
    before, after = machine(virtual_server()), machine(at(virtual_server(), SIZE, "4096Mi"))
    after.check_edit(before)
    assert after.machine() == before.machine()


# How far a guest may grow


@pytest.mark.parametrize(
    ("resources", "cpus", "memory"),
    [
        ({"memory": "1Gi"}, 1, "1Gi"),
        ({"memory": "1Gi", "maxMemory": "4Gi"}, 1, "4Gi"),
        ({"memory": "1Gi", "cpu": {"cores": 2}}, 2, "1Gi"),
        ({"memory": "1Gi", "cpu": {"cores": 2, "maxCores": "8"}}, 8, "1Gi"),
    ],
)
def test_a_guest_may_grow_as_far_as_is_written_or_not_at_all(resources: dict[str, Any], cpus: int, memory: str) -> None:
    spec = machine(at(virtual_server(), "spec.resources", resources)).machine()
    assert (spec.max_cpus, spec.max_memory) == (cpus, parse_bytes(memory))
