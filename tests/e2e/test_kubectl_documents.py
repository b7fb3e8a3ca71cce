"""The documents of VirtualServer's own documentation, unchanged, through kubectl: accepted, or refused with a reason.

A fragment there is completed with the parts every VM needs, which its page shows elsewhere.
"""

import re

import pytest
import yaml

from tests.e2e.kubectl import Document, Kubectl
from tests.manifests.test_seed_documents import BASIC

pytestmark = pytest.mark.xdist_group("kubectl")

ACCEPTED = {
    "the root disk": """
      storage:
        root:
          ephemeral: false
          pvc:
            size: 4Gi
            volumeMode: Filesystem
            accessModes: ["ReadWriteOnce"]
            storageClassName: cephfs-hdd
          source:
            http:
              url: https://cloud-images.ubuntu.com/releases/focal/release/ubuntu-20.04-server-cloudimg-amd64.img
      """,
    "ports and DNS": """
      network:
        tcp: [80, 5901]
        udp: []
        macAddress: ""
        dnsConfig: {}
        dnsPolicy: ClusterFirst
      """,
    "user data": """
      cloudInit: |-
        #cloud-config
        user: ubuntu
        password: ubuntu
        chpasswd: { expire: False }
        package_update: true
        package_upgrade: true
        packages:
        - qemu-guest-agent
        runcmd:
        - [ systemctl, start, qemu-guest-agent ]
        bootcmd:
        - "sudo mkdir /mnt/app-configmap"
        - "sudo mount -t virtiofs configmap-fs /mnt/app-configmap"
        - "sudo mkdir /mnt/app-sa"
        - "sudo mount /dev/$(lsblk --nodeps -no name,serial | grep SERVICEACCOUNT12 | cut -f1 -d' ') /mnt/app-sa"
      """,
    "a run strategy": "runStrategy: Always",
}

REFUSED = {
    "a GPU": (
        "spec.resources.gpu",
        """
        resources:
          gpu:
            type: nvidia.com/GA100_A100_PCIE_40GB
            count: 2
          cpu:
            model: Conroe
            cores: 1
          memory: 10Gi
        """,
    ),
    "a file system": (
        "spec.storage.filesystems",
        """
        storage:
          filesystems:
          - name: my-filesys
            persistentVolumeClaim:
              claimName: pvc-as-fs
        """,
    ),
    "a disk": (
        "spec.storage.additionalDisks",
        """
        storage:
          additionalDisks:
          - name: disk-name
            persistentVolumeClaim:
              claimName: pvc-as-disk
            serial: CVLY623300HK240D
        """,
    ),
    "a claim as a file system": (
        "spec.storage.filesystems",
        "storage: {filesystems: [{name: filesys-name, persistentVolumeClaim: {claimName: pvc-name}}]}",
    ),
    "an ephemeral file system": (
        "spec.storage.filesystems",
        "storage: {filesystems: [{name: filesys-name, ephemeral: {persistentVolumeClaim: {claimName: pvc-name}}}]}",
    ),
    "an ephemeral disk": (
        "spec.storage.additionalDisks",
        "storage: {additionalDisks: [{name: disk-name, ephemeral: {persistentVolumeClaim: {claimName: pvc-name}}}]}",
    ),
    "a config map as a file system": (
        "spec.storage.filesystems",
        """
        storage:
          filesystems:
          - name: config-fs
            configMap:
              name: app-config
        cloudInit: |-
          #cloud-config
          bootcmd:
          - "sudo mkdir /mnt/app-config"
          - "sudo mount -t virtiofs config-fs /mnt/app-config"
        """,
    ),
    "a config map as a disk": (
        "spec.storage.additionalDisks",
        "storage: {additionalDisks: [{name: disk-name, configMap: {name: app-config}, serial: CVLY623300HK240D}]}",
    ),
    "a service account as a file system": (
        "spec.storage.filesystems",
        "storage: {filesystems: [{name: sa-fs, serviceAccount: {serviceAccountName: app-secret}}]}",
    ),
    "a service account as a disk": (
        "spec.storage.additionalDisks",
        """
        storage:
          additionalDisks:
          - name: disk-name
            serviceAccount:
              serviceAccountName: serviceaccountdisk
            serial: SERVICEACCOUNT12
        """,
    ),
}


def completed(fragment: str, name: str) -> Document:
    """Return the fragment of a spec as a VM: what it leaves out is taken from the page's first document."""
    document: Document = yaml.safe_load(BASIC)
    said: Document = yaml.safe_load(fragment)
    spec = document["spec"]
    storage = {"root": spec["storage"]["root"], **said.pop("storage", {})}
    document["metadata"]["name"] = re.sub(r"\W+", "-", name).lower()
    document["spec"] = {"resources": spec["resources"], "runStrategy": "Halted", **said, "storage": storage}
    return document


@pytest.mark.parametrize("name", ACCEPTED)
async def test_what_is_documented_is_accepted(kubectl: Kubectl, name: str) -> None:
    document = completed(ACCEPTED[name], name)
    assert "created" in await kubectl.apply(document)
    shown = await kubectl.json("get", "vs", document["metadata"]["name"])
    assert shown["spec"]["storage"]["root"]["source"]["http"]["url"].endswith("cloudimg-amd64.img")


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_documented_and_not_honoured_yet_is_refused_by_name(kubectl: Kubectl, name: str) -> None:
    field, fragment = REFUSED[name]
    said = await kubectl.said("apply", "-f", "-", stdin=yaml.safe_dump(completed(fragment, name)))
    assert said.code == 1
    assert f"{field}: Forbidden: not supported yet" in said.err, said


async def test_the_first_document_is_refused_for_exactly_what_is_not_honoured_yet(kubectl: Kubectl) -> None:
    said = await kubectl.said("apply", "-f", "-", stdin=BASIC)
    assert said.code == 1
    assert set(re.findall(r"(spec[\w.]*): Forbidden", said.err)) == {
        "spec.storage.additionalDisks",
        "spec.storage.filesystems",
    }


async def test_a_status_that_comes_along_is_not_kept(kubectl: Kubectl) -> None:
    document = {**completed("runStrategy: Manual", "strategy"), "status": {"runStrategy": "Halted"}}
    await kubectl.apply(document)
    shown = await kubectl.json("get", "vs", "strategy")
    assert shown["spec"]["runStrategy"] == "Manual"
    assert shown.get("status", {}).get("runStrategy") in {None, "Manual"}
