"""The documents in VirtualServer's own documentation are understood as they are written there."""

from typing import Any

import pytest
import yaml

from domain.run_strategy import RunStrategy
from manifests.registry import parse
from manifests.virtual_server import VirtualServer
from tests.manifests.examples import at, refused, virtual_server

BASIC = """
apiVersion: tensorstack.dev/v1beta1
kind: VirtualServer
metadata:
  name: vs-example
spec:
  resources:
    cpu:
      cores: "1"
    memory: 8Gi
  storage:
    root:
      pvc:
        size: 4Gi
        volumeMode: Filesystem
        accessModes: ["ReadWriteOnce"]
        storageClassName: cephfs-hdd
      source:
        http:
          url: https://cloud-images.ubuntu.com/releases/focal/release/ubuntu-20.04-server-cloudimg-amd64.img
    additionalDisks:
    - name: disk-name
      persistentVolumeClaim:
        claimName: pvc-as-disk
    filesystems:
    - name: my-filesys
      persistentVolumeClaim:
        claimName: pvc-as-fs
  network:
    tcp: [80, 5901]
    udp: []
    macAddress: ""
    dnsConfig: {}
    dnsPolicy: ClusterFirst
  cloudInit: |-
    #cloud-config
    bootcmd:
    - test "$(lsblk /dev/vdb)" && mkfs.ext4 /dev/vdb
    - mkdir -p /mnt/vdb
    - mkdir -p /mnt/file-sys
    - mount -t virtiofs my-filesys /mnt/file-sys
    mounts:
    - [ "/dev/vdb", "/mnt/vdb", "ext4", "defaults,nofail", "0", "2" ]
"""


@pytest.fixture
def basic() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(BASIC)
    return document


@pytest.fixture
def attached_to_nothing(basic: dict[str, Any]) -> dict[str, Any]:
    del basic["spec"]["storage"]["additionalDisks"], basic["spec"]["storage"]["filesystems"]
    return basic


def test_the_basic_example_is_refused_for_its_extra_volumes_and_for_nothing_else(basic: dict[str, Any]) -> None:
    assert refused(basic) == {
        "spec.storage.additionalDisks": "not supported yet: a guest has its root disk only",
        "spec.storage.filesystems": "not supported yet: a guest has its root disk only",
    }


def test_without_them_it_is_a_machine(attached_to_nothing: dict[str, Any]) -> None:
    manifest = parse(attached_to_nothing)
    assert isinstance(manifest, VirtualServer)
    machine = manifest.machine()
    assert (machine.namespace, machine.name) == ("default", "vs-example")
    assert (machine.cpus, machine.memory, machine.disk) == (1, 8 * 2**30, 4 * 2**30)
    assert machine.source.url.endswith("/ubuntu-20.04-server-cloudimg-amd64.img")
    assert (machine.tcp, machine.udp, machine.mac) == ((80, 5901), (), "")
    assert machine.user_data.startswith("#cloud-config\nbootcmd:\n- test ")
    assert machine.run_strategy is RunStrategy.ALWAYS


def test_what_it_says_of_its_volume_is_kept(attached_to_nothing: dict[str, Any]) -> None:
    written = attached_to_nothing["spec"]["storage"]["root"]["pvc"]
    assert parse(attached_to_nothing).document()["spec"]["storage"]["root"]["pvc"] == written


NOT_YET: dict[str, object] = {
    "spec.resources.gpu": {"type": "nvidia.com/GA100_A100_PCIE_40GB", "count": 2},
    "spec.storage.root.ephemeral": True,
    "spec.storage.root.source.s3": {"url": "https://s3.example/bucket/disk.img"},
    "spec.storage.root.source.registry": {"url": "docker://registry.example/disk"},
    "spec.storage.root.source.pvc": {"name": "golden", "namespace": "images"},
    "spec.storage.root.source.http.secretRef": "credentials",
    "spec.storage.additionalDisks": [{"name": "disk-name", "configMap": {"name": "app-config"}}],
    "spec.storage.filesystems": [{"name": "sa-fs", "serviceAccount": {"serviceAccountName": "app-secret"}}],
    "spec.network.dnsConfig": {"nameservers": ["192.0.2.1"]},
    "spec.network.dnsPolicy": "None",
}
"""What the documentation describes and vmflow cannot honour."""


@pytest.mark.parametrize("field", NOT_YET)
def test_what_cannot_be_honoured_yet_is_refused_by_name(field: str) -> None:
    causes = refused(at(virtual_server(), field, NOT_YET[field]))
    assert list(causes) == [field]
    assert causes[field].startswith("not supported yet: ")


NOTHING_ASKED: dict[str, object] = {
    "spec.resources.gpu": None,
    "spec.storage.root.ephemeral": False,
    "spec.storage.root.source.s3": None,
    "spec.storage.additionalDisks": [],
    "spec.storage.filesystems": [],
    "spec.network.dnsConfig": {},
    "spec.network.dnsPolicy": "ClusterFirst",
}


@pytest.mark.parametrize("field", NOTHING_ASKED)
def test_a_value_that_asks_for_nothing_changes_nothing(field: str) -> None:
    assert parse(at(virtual_server(), field, NOTHING_ASKED[field])).document() == parse(virtual_server()).document()


def test_a_cpu_model_and_cores_as_a_number_are_accepted() -> None:
    manifest = parse(at(virtual_server(), "spec.resources.cpu", {"model": "Conroe", "cores": 1}))
    assert isinstance(manifest, VirtualServer)
    assert (manifest.machine().cpu_model, manifest.machine().cpus) == ("Conroe", 1)


@pytest.mark.parametrize("strategy", ["Always", "RerunOnFailure", "Manual", "Halted", "Once"])
def test_every_run_strategy_can_be_written(strategy: str) -> None:
    manifest = parse(at(virtual_server(), "spec.runStrategy", strategy))
    assert isinstance(manifest, VirtualServer)
    assert manifest.machine().run_strategy == strategy
