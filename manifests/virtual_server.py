"""`tensorstack.dev/v1beta1` VirtualServer: the kind the users' teams already write.

Source of the fields: the VirtualServer documentation. A field vmflow knows but cannot honour yet is refused by name
(`not_yet`), so that nobody believes a disk is attached that is not.
"""

import re
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from domain.image import ImageSource
from domain.machine import DEFAULT_GRACE, GRACE_LIMIT, MachineSpec
from domain.quantity import parse_bytes, parse_cpus
from domain.run_strategy import RunStrategy
from domain.status import ConditionType
from manifests.base import (
    Cores,
    InvalidManifestError,
    Line,
    Manifest,
    NamespacedMeta,
    Port,
    Quantity,
    Schema,
    Text,
    at_least,
    at_most,
    not_yet,
)

ZONE_LABEL = "topology.kubernetes.io/zone"

USER_DATA_LIMIT = 64 * 1024
"""Bytes of cloud-init user data: the smallest limit among the hypervisors (vSphere's guestinfo)."""

_URL = re.compile(r"[!-~]+")
_CHECKSUM = re.compile(r"(sha256:[0-9a-f]{64})?")


def _url(text: str) -> str:
    """Accept what the import may be asked to fetch. No message repeats the URL: it may hold a secret."""
    if not _URL.fullmatch(text):
        raise ValueError("a URL has neither spaces nor control nor non-ASCII characters; percent-encode them")
    try:
        parts = urlsplit(text)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError("this is not a URL; write http(s)://host/path") from None
    if parts.scheme not in {"http", "https"} or not whole:
        raise ValueError("only http:// and https:// URLs with a host are possible")
    if "@" in parts.netloc:
        raise ValueError("credentials do not belong in a URL")
    return text


def _checksum(text: str) -> str:
    if not _CHECKSUM.fullmatch(text):
        raise ValueError("write sha256: and 64 lower-case hexadecimal digits")
    return text


class Cpu(Schema):
    """CPUs of the guest.

    cores: how many; a whole number.
    maxCores: how many it may be given while it runs, without a restart; as many as `cores` where it says nothing.
    model: a QEMU CPU model; empty for the hypervisor's best.
    """

    cores: Cores = "1"
    max_cores: Cores | None = None
    model: str = Field(default="", max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")


class Resources(Schema):
    """What the guest gets: CPUs and memory.

    memory: bytes of memory, as a quantity such as 8Gi.
    maxMemory: how much it may be given while it runs, without a restart; as much as `memory` where it says nothing.
    gpu: refused for now: no GPU is passed to a guest.
    """

    cpu: Cpu = Cpu()
    memory: Annotated[Quantity, AfterValidator(at_least("32Mi"))]
    max_memory: Annotated[Quantity, AfterValidator(at_least("32Mi"))] | None = None
    gpu: Annotated[Any, Field(exclude=True), not_yet("no GPU is passed to a guest")] = None


_OverHttpOnly = Annotated[Any, Field(exclude=True), not_yet("images come over http, without credentials")]


class HttpSource(Schema):
    """An image served over HTTP(S).

    url: where it is, http:// or https://, without credentials.
    checksum: `sha256:<64 hex digits>` of the bytes as served; they are verified where it is given.
    certConfigMap, extraHeaders, secretExtraHeaders, secretRef: refused for now: images come without credentials.
    """

    url: Annotated[str, Field(max_length=2048), AfterValidator(_url)]
    checksum: Annotated[str, AfterValidator(_checksum)] = ""
    cert_config_map: _OverHttpOnly = None
    extra_headers: _OverHttpOnly = None
    secret_extra_headers: _OverHttpOnly = None
    secret_ref: _OverHttpOnly = None


class Source(Schema):
    """Where a disk's content comes from. The other sources are those of CDI's DataVolumeSource.

    blank, gcs, imageio, pvc, registry, s3, snapshot, upload, vddk: refused for now: images come over http.
    """

    http: HttpSource
    blank: _OverHttpOnly = None
    gcs: _OverHttpOnly = None
    imageio: _OverHttpOnly = None
    pvc: _OverHttpOnly = None
    registry: _OverHttpOnly = None
    s3: _OverHttpOnly = None
    snapshot: _OverHttpOnly = None
    upload: _OverHttpOnly = None
    vddk: _OverHttpOnly = None


class PersistentVolumeClaim(Schema):
    """The claim of the root disk. All but its size is recorded only: the hypervisor's pool decides.

    size: bytes the guest sees, as a quantity such as 20Gi; it may grow, and never shrinks.
    volumeMode: whether the disk is a file or a block device.
    accessModes: how many may use the disk at once.
    storageClassName: the class of storage asked for.
    """

    size: Annotated[Quantity, AfterValidator(at_most("64Ti"))]
    volume_mode: Literal["Filesystem", "Block"] = "Filesystem"
    access_modes: list[Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"]] = Field(
        default=["ReadWriteOnce"],
    )
    storage_class_name: Line = ""


class RootDisk(Schema):
    """The root disk: a claim, filled from a source. Changes stay on it.

    ephemeral: refused for now unless false: changes stay on the root disk.
    """

    ephemeral: Annotated[bool, Field(strict=True), not_yet("changes stay on the root disk", harmless=(False,))] = False
    pvc: PersistentVolumeClaim
    source: Source


class Storage(Schema):
    """Disks of the guest.

    additionalDisks, filesystems: refused for now: a guest has its root disk only.
    """

    root: RootDisk
    additional_disks: Annotated[Any, Field(exclude=True), not_yet("a guest has its root disk only")] = None
    filesystems: Annotated[Any, Field(exclude=True), not_yet("a guest has its root disk only")] = None


class Network(Schema):
    """Ports the VM exposes, and its interface.

    tcp, udp: ports of the guest that can be reached from outside, each once.
    macAddress: hardware address of the interface, lower case; empty for one that is chosen once and kept.
    dnsConfig, dnsPolicy: refused for now unless they ask for nothing: a guest asks its network's DNS.
    """

    tcp: list[Port] = Field(default_factory=list, max_length=64)
    udp: list[Port] = Field(default_factory=list, max_length=64)
    mac_address: str = Field(default="", pattern=r"^([0-9a-f][02468ace](:[0-9a-f]{2}){5})?$")
    dns_config: Annotated[Any, Field(exclude=True), not_yet("a guest asks its network's DNS")] = None
    dns_policy: Annotated[
        Any, Field(exclude=True), not_yet("a guest asks its network's DNS", harmless=("ClusterFirst", ""))
    ] = None

    @field_validator("tcp", "udp")
    @classmethod
    def _distinct(cls, ports: list[int]) -> list[int]:
        if len(set(ports)) != len(ports):
            raise ValueError("a port is exposed once")
        return ports


class VirtualServerSpec(Schema):
    """What a virtual machine is to be.

    cloudInit: user data for cloud-init, handed to the guest as it stands; at most 64 KiB.
    runStrategy: what keeps the VM running or stopped when nobody says anything.
    terminationGracePeriodSeconds: how long a guest may take to shut itself down before it is powered off.
    """

    resources: Resources
    storage: Storage
    network: Network = Network()
    cloud_init: Text = ""
    run_strategy: RunStrategy = RunStrategy.ALWAYS
    termination_grace_period_seconds: Annotated[int, Field(strict=True, ge=0, le=GRACE_LIMIT)] = int(DEFAULT_GRACE)

    @field_validator("cloud_init")
    @classmethod
    def _fits(cls, text: str) -> str:
        if len(text.encode()) > USER_DATA_LIMIT:
            raise ValueError(f"user data has {len(text.encode())} bytes; at most {USER_DATA_LIMIT} reach a guest")
        return text


class VirtualServer(Manifest):
    """A virtual machine that lives as one durable workflow."""

    ALWAYS_SAYS: ClassVar[tuple[ConditionType, ...]] = (
        ConditionType.DATA_IMPORTED,
        ConditionType.READY,
        ConditionType.PAUSED,
    )

    api_version: Literal["tensorstack.dev/v1beta1"]
    kind: Literal["VirtualServer"]
    metadata: NamespacedMeta
    spec: VirtualServerSpec

    def machine(self) -> MachineSpec:
        """Return the machine this manifest asks for."""
        spec = self.spec
        return MachineSpec(
            namespace=self.metadata.namespace,
            name=self.metadata.name,
            cpus=parse_cpus(spec.resources.cpu.cores),
            cpu_model=spec.resources.cpu.model,
            memory=parse_bytes(spec.resources.memory),
            max_cpus=parse_cpus(spec.resources.cpu.max_cores or spec.resources.cpu.cores),
            max_memory=parse_bytes(spec.resources.max_memory or spec.resources.memory),
            disk=parse_bytes(spec.storage.root.pvc.size),
            source=ImageSource(url=spec.storage.root.source.http.url, checksum=spec.storage.root.source.http.checksum),
            user_data=spec.cloud_init,
            mac=spec.network.mac_address,
            tcp=tuple(spec.network.tcp),
            udp=tuple(spec.network.udp),
            zone=self.metadata.labels.get(ZONE_LABEL, ""),
            run_strategy=spec.run_strategy,
            grace=float(spec.termination_grace_period_seconds),
        )

    def check_edit(self, before: "VirtualServer") -> None:
        """Raise InvalidManifestError naming every field in which this edit changes what a VM keeps for life."""
        old, new = before.spec.storage.root, self.spec.storage.root
        size = "spec.storage.root.pvc.size"
        kept = (
            ("spec.runStrategy", before.spec.run_strategy, self.spec.run_strategy, "use start and stop"),
            ("spec.storage.root.source", old.source, new.source, "declare another VM for another image"),
            ("spec.storage.root.pvc", _but_size(old.pvc), _but_size(new.pvc), "a root disk stays where it is"),
            (
                f"metadata.labels[{ZONE_LABEL}]",
                before.metadata.labels.get(ZONE_LABEL, ""),
                self.metadata.labels.get(ZONE_LABEL, ""),
                "a VM stays in its zone",
            ),
        )
        errors = [(field, f"immutable: {advice}") for field, was, to_be, advice in kept if was != to_be]
        if parse_bytes(new.pvc.size) < parse_bytes(old.pvc.size):
            errors.append((size, f"a root disk is never shrunk; it has {old.pvc.size}"))
        if errors:
            raise InvalidManifestError(errors)


def _but_size(claim: PersistentVolumeClaim) -> dict[str, Any]:
    return claim.model_dump(exclude={"size"})
