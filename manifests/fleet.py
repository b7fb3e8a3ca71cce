"""`vmflow.dev/v1alpha1` Zone and Hypervisor: where VMs may live."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from domain import hypervisor
from domain.quantity import parse_bytes
from manifests.base import ApiVersion, Manifest, Name, Quantity, Schema, Text


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        raise ValueError("write an absolute path without '..'")
    return path


Directory = Annotated[Text, AfterValidator(_absolute)]


class ZoneSpec(Schema):
    """A zone has no settings of its own yet: hypervisors name the zone they belong to."""


class Zone(Manifest):
    """A set of hypervisors that share a fate; VMs are placed in one, by a ledger of what each hypervisor holds."""

    api_version: ApiVersion
    kind: Literal["Zone"]
    spec: ZoneSpec = ZoneSpec()


class NatNetwork(Schema):
    """A libvirt NAT network with DHCP. subnet: an IPv4 /24 in CIDR form."""

    kind: Literal["nat"] = "nat"
    name: Name = "vmflow"
    bridge: str = Field(default="vmflow0", pattern=r"^[a-z][a-z0-9-]{0,14}$")
    subnet: str = Field(default="10.231.0.0/24", pattern=r"^\d{1,3}\.\d{1,3}\.\d{1,3}\.0/24$")


class UserNetwork(Schema):
    """User-mode networking; exposed ports are forwarded from this address of the host."""

    kind: Literal["user"]
    listen: str = "127.0.0.1"


class Libvirt(Schema):
    """A host with libvirt and QEMU. directory: absolute path for the image cache and the storage pool."""

    uri: Text
    directory: Directory
    pool: Name = "vmflow"
    network: NatNetwork | UserNetwork = Field(default=NatNetwork(), discriminator="kind")


class Simulator(Schema):
    """A simulated hypervisor whose guests live in a file."""

    directory: Directory
    boot_seconds: float = Field(default=0.0, ge=0)
    shutdown_seconds: float = Field(default=0.0, ge=0)
    cpus: int = Field(default=64, ge=1)
    memory: Quantity = "256Gi"


class Capacity(Schema):
    """What may be claimed; left out, it is what the hypervisor reports."""

    cpus: int = Field(ge=1)
    memory: Quantity


class HypervisorSpec(Schema):
    """A hypervisor: its zone, one driver section, and what may be claimed there."""

    zone: Name
    libvirt: Libvirt | None = None
    simulator: Simulator | None = None
    capacity: Capacity | None = None
    cpu_overcommit: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _one_driver(self) -> Self:
        if (self.libvirt is None) == (self.simulator is None):
            raise ValueError("name exactly one driver: libvirt or simulator")
        return self


class Hypervisor(Manifest):
    """A host that runs guests."""

    api_version: ApiVersion
    kind: Literal["Hypervisor"]
    spec: HypervisorSpec

    def domain(self) -> hypervisor.HypervisorSpec:
        """Return the hypervisor this manifest declares."""
        spec = self.spec.model_dump()
        for section in ("capacity", "simulator"):
            if spec[section]:
                spec[section]["memory"] = parse_bytes(spec[section]["memory"])
        return hypervisor.HypervisorSpec.model_validate({"name": self.metadata.name, **spec})
