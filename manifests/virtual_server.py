"""`tensorstack.dev/v1beta1` VirtualServer: the kind the users' teams already write.

Source of the fields: the VirtualServer documentation. A field vmflow knows but cannot honour yet is refused by name
(`not_yet`), so that nobody believes a disk is attached that is not.
"""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from domain.image import ImageSource
from domain.machine import MachineSpec
from domain.quantity import parse_bytes, parse_cpus
from domain.run_strategy import RunStrategy
from manifests.base import (
    Cores,
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
    """CPUs of the guest. cores: whole number; model: a QEMU CPU model, empty for the hypervisor's best."""

    cores: Cores = "1"
    model: str = Field(default="", max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")


class Resources(Schema):
    """What the guest gets: CPUs and memory."""

    cpu: Cpu = Cpu()
    memory: Annotated[Quantity, AfterValidator(at_least("32Mi"))]
    gpu: Annotated[Any, Field(exclude=True), not_yet("no GPU is passed to a guest")] = None


_OverHttpOnly = Annotated[Any, Field(exclude=True), not_yet("images come over http, without credentials")]


class HttpSource(Schema):
    """An image served over HTTP(S). checksum: `sha256:<64 hex digits>` of the bytes as served."""

    url: Annotated[str, Field(max_length=2048), AfterValidator(_url)]
    checksum: Annotated[str, AfterValidator(_checksum)] = ""
    cert_config_map: _OverHttpOnly = None
    extra_headers: _OverHttpOnly = None
    secret_extra_headers: _OverHttpOnly = None
    secret_ref: _OverHttpOnly = None


class Source(Schema):
    """Where the root disk's content comes from. The other sources are those of CDI's DataVolumeSource."""

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
    """The root disk. size: what the guest sees; the other fields are recorded, the hypervisor's pool decides."""

    size: Annotated[Quantity, AfterValidator(at_most("64Ti"))]
    volume_mode: Literal["Filesystem", "Block"] = "Filesystem"
    access_modes: list[Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"]] = Field(
        default=["ReadWriteOnce"],
    )
    storage_class_name: Line = ""


class RootDisk(Schema):
    """The root disk: a claim, filled from a source. Changes stay on it."""

    ephemeral: Annotated[bool, Field(strict=True), not_yet("changes stay on the root disk", harmless=(False,))] = False
    pvc: PersistentVolumeClaim
    source: Source


class Storage(Schema):
    """Disks of the guest."""

    root: RootDisk
    additional_disks: Annotated[Any, Field(exclude=True), not_yet("a guest has its root disk only")] = None
    filesystems: Annotated[Any, Field(exclude=True), not_yet("a guest has its root disk only")] = None


class Network(Schema):
    """Ports the VM exposes, and the address of its interface (empty: a stable one is chosen)."""

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
    """A virtual machine. cloudInit: user data for cloud-init, handed to the guest as it stands."""

    resources: Resources
    storage: Storage
    network: Network = Network()
    cloud_init: Text = ""
    run_strategy: RunStrategy = RunStrategy.ALWAYS

    @field_validator("cloud_init")
    @classmethod
    def _fits(cls, text: str) -> str:
        if len(text.encode()) > USER_DATA_LIMIT:
            raise ValueError(f"user data has {len(text.encode())} bytes; at most {USER_DATA_LIMIT} reach a guest")
        return text


class VirtualServer(Manifest):
    """A virtual machine that lives as one durable workflow."""

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
            disk=parse_bytes(spec.storage.root.pvc.size),
            source=ImageSource(url=spec.storage.root.source.http.url, checksum=spec.storage.root.source.http.checksum),
            user_data=spec.cloud_init,
            mac=spec.network.mac_address,
            tcp=tuple(spec.network.tcp),
            udp=tuple(spec.network.udp),
            zone=self.metadata.labels.get(ZONE_LABEL, ""),
            run_strategy=spec.run_strategy,
        )
