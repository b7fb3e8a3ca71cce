"""`vmflow.dev/v1alpha1` Zone and Hypervisor: where VMs may live."""

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from domain import hypervisor
from domain.quantity import parse_bytes
from manifests.base import ApiVersion, Count, Line, Manifest, Name, Quantity, Schema


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        raise ValueError("write an absolute path without '..'")
    return path


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError("write an IPv4 address such as 127.0.0.1") from None


def _subnet(text: str) -> str:
    try:
        network = IPv4Network(text)
    except ValueError:
        raise ValueError("write an IPv4 network such as 10.231.0.0/24") from None
    if network.prefixlen != 24:  # noqa: PLR2004 - domain.hypervisor.NatNetwork says why
        raise ValueError("the network must be a /24")
    return str(network)


Directory = Annotated[Line, AfterValidator(_absolute)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ZoneSpec(Schema):
    """A zone has no settings of its own yet: hypervisors name the zone they belong to."""


class Zone(Manifest):
    """A set of hypervisors that share a fate; VMs are placed in one, by a ledger of what each hypervisor holds."""

    api_version: ApiVersion
    kind: Literal["Zone"]
    spec: ZoneSpec = ZoneSpec()


class NatNetwork(Schema):
    """A libvirt NAT network with DHCP.

    kind: which network it is.
    name: name of the network in libvirt.
    bridge: name of its bridge on the host.
    subnet: an IPv4 /24 in CIDR form.
    """

    kind: Literal["nat"] = "nat"
    name: Name = "vmflow"
    bridge: str = Field(default="vmflow0", pattern=r"^[a-z][a-z0-9-]{0,14}$")
    subnet: Annotated[str, AfterValidator(_subnet)] = "10.231.0.0/24"


class UserNetwork(Schema):
    """User-mode networking: exposed ports are forwarded from an address of the host.

    kind: which network it is.
    listen: the IPv4 address that ports are forwarded from.
    """

    kind: Literal["user"]
    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1"


class Libvirt(Schema):
    """A host with libvirt and QEMU.

    uri: libvirt connection URI, such as qemu:///system.
    directory: absolute path for the image cache and the storage pool.
    pool: name of the storage pool in libvirt.
    network: the network guests are attached to: libvirt's NAT, or user-mode networking.
    """

    uri: Line
    directory: Directory
    pool: Name = "vmflow"
    network: NatNetwork | UserNetwork = Field(default=NatNetwork(), discriminator="kind")


class Simulator(Schema):
    """A simulated hypervisor whose guests live in a file.

    directory: absolute path of the directory that has the file.
    bootSeconds: how long a guest takes to boot.
    shutdownSeconds: how long a guest takes to shut down.
    cpus: CPUs it says it has.
    memory: bytes of memory it says it has, as a quantity.
    """

    directory: Directory
    boot_seconds: Seconds = 0.0
    shutdown_seconds: Seconds = 0.0
    cpus: Count = 64
    memory: Quantity = "256Gi"


class Capacity(Schema):
    """What may be claimed; left out, it is what the hypervisor reports.

    cpus: how many CPUs.
    memory: bytes of memory, as a quantity.
    """

    cpus: Count
    memory: Quantity


class HypervisorSpec(Schema):
    """A hypervisor: its zone, one driver section, and what may be claimed there.

    zone: name of the zone it belongs to.
    cpuOvercommit: how many virtual CPUs are placed per CPU.
    """

    zone: Name
    libvirt: Libvirt | None = None
    simulator: Simulator | None = None
    capacity: Capacity | None = None
    cpu_overcommit: Count = 10

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
