"""`tensorstack.dev/v1beta1` VirtualServer: the kind the users' teams already write.

Source of the fields: the VirtualServer documentation. A field vmflow knows but cannot honour yet is refused by name, so
that nobody believes a disk is attached that is not.
"""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from domain.image import ImageSource
from domain.machine import MachineSpec
from domain.quantity import parse_bytes, parse_cpus
from domain.run_strategy import RunStrategy
from manifests.base import Manifest, NamespacedMeta, Port, Quantity, Schema, Text

ZONE_LABEL = "topology.kubernetes.io/zone"

USER_DATA_LIMIT = 64 * 1024
"""Bytes of cloud-init user data: the smallest limit among the hypervisors (vSphere's guestinfo)."""


class Cpu(Schema):
    """CPUs of the guest. cores: whole number; model: a QEMU CPU model, empty for the hypervisor's best."""

    cores: str | int = 1
    model: Text = Field(default="", max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")

    @field_validator("cores")
    @classmethod
    def _whole(cls, cores: str | int) -> str | int:
        parse_cpus(cores)
        return cores


class Resources(Schema):
    """What the guest gets: CPUs and memory."""

    cpu: Cpu = Cpu()
    memory: Quantity


class HttpSource(Schema):
    """An image served over HTTP(S). checksum: `sha256:<64 hex digits>` of the bytes as served."""

    url: Text = Field(max_length=2048)
    checksum: Text = ""

    @field_validator("url")
    @classmethod
    def _scheme(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("only http:// and https:// sources are possible")
        if "@" in url.split("/", maxsplit=3)[2]:
            raise ValueError("credentials do not belong into a URL")
        return url

    @field_validator("checksum")
    @classmethod
    def _digest(cls, checksum: str) -> str:
        algorithm, _, digest = checksum.partition(":")
        if checksum and (algorithm != "sha256" or len(digest) != 64 or set(digest) - set("0123456789abcdef")):  # noqa: PLR2004
            raise ValueError("write sha256: and 64 lower-case hexadecimal digits")
        return checksum


class Source(Schema):
    """Where the root disk's content comes from."""

    http: HttpSource


class PersistentVolumeClaim(Schema):
    """The root disk. size: what the guest sees; the other fields are recorded, the hypervisor's pool decides."""

    size: Quantity
    volume_mode: Literal["Filesystem", "Block"] = "Filesystem"
    access_modes: list[Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"]] = Field(
        default=["ReadWriteOnce"],
    )
    storage_class_name: Text = ""


class RootDisk(Schema):
    """The root disk: a claim, filled from a source. Changes stay on it (`ephemeral: false`)."""

    ephemeral: Literal[False] = False
    pvc: PersistentVolumeClaim
    source: Source


class Storage(Schema):
    """Disks of the guest."""

    root: RootDisk


class Network(Schema):
    """Ports the VM exposes, and the address of its interface (empty: a stable one is chosen)."""

    tcp: list[Port] = Field(default_factory=list, max_length=64)
    udp: list[Port] = Field(default_factory=list, max_length=64)
    mac_address: str = Field(default="", pattern=r"^([0-9a-f][02468ace](:[0-9a-f]{2}){5})?$")


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

    @model_validator(mode="after")
    def _ports_are_distinct(self) -> Self:
        for ports in (self.spec.network.tcp, self.spec.network.udp):
            if len(set(ports)) != len(ports):
                raise ValueError("spec.network: a port is exposed once")
        return self

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
