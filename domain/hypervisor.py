"""A hypervisor as vmflow knows it: how to reach it, what it holds, what it offers."""

from typing import Literal

from domain.guest import Power
from domain.model import Value


class NatNetwork(Value):
    """A libvirt NAT network with DHCP; guests are reachable from the host by their own address.

    subnet: IPv4 network in CIDR form with a prefix of /24; the host takes .1, guests .2 to .254.
    """

    kind: Literal["nat"] = "nat"
    name: str = "vmflow"
    bridge: str = "vmflow0"
    subnet: str = "10.231.0.0/24"


class UserNetwork(Value):
    """User-mode networking: needs no privilege; exposed ports are forwarded from `listen` on the host."""

    kind: Literal["user"] = "user"
    listen: str = "127.0.0.1"


class LibvirtSpec(Value):
    """How the libvirt driver reaches and uses one host.

    uri:       libvirt connection URI.
    directory: absolute path, on the hypervisor, that holds all vmflow stores there: `images/` (the image cache) and
               `volumes/` (the storage pool with root disks, seeds and console logs).
    pool:      name of the libvirt storage pool over `volumes/`.
    """

    uri: str
    directory: str
    pool: str = "vmflow"
    network: NatNetwork | UserNetwork = NatNetwork()


class SimulatorSpec(Value):
    """The simulator: guests live in an SQLite file that outlives workers.

    directory:    absolute path of the folder that holds the state file and the image cache.
    boot_seconds: how long a guest takes from power-on to its agent; shutdown_seconds from request to off.
    cpus, memory: the pretended machine; memory in bytes.
    """

    directory: str
    boot_seconds: float = 0.0
    shutdown_seconds: float = 0.0
    cpus: int = 64
    memory: int = 256 * 2**30


class Capacity(Value):
    """What can be claimed: whole virtual CPUs and bytes of memory."""

    cpus: int
    memory: int


class HypervisorSpec(Value):
    """One declared hypervisor. Exactly one driver section is set; it selects the driver.

    capacity: what may be claimed here; None means what the hypervisor reports, CPUs times `cpu_overcommit`.
    """

    name: str
    zone: str
    libvirt: LibvirtSpec | None = None
    simulator: SimulatorSpec | None = None
    capacity: Capacity | None = None
    cpu_overcommit: int = 10


class HypervisorFacts(Value):
    """What a hypervisor reports about itself when the watch connects.

    uuid:        identity of the host; stable over restarts.
    accelerator: `kvm`, `tcg` or `none` (simulator); accelerator_reason is the sentence that says why.
    cpus:        physical threads; memory: bytes installed.
    """

    uuid: str
    driver: str
    version: str
    accelerator: str
    accelerator_reason: str
    cpus: int
    memory: int


class Orphan(Value):
    """A domain vmflow built here that belongs to no VM: its VM's workflow was ended without a deletion.

    owner:   `<namespace>/<name>` of the VM it was built for; empty when the domain does not say.
    trouble: why it could not be discarded when an operator asked for that.
    """

    uid: str
    owner: str
    power: Power
    trouble: str = ""


def claimable(spec: HypervisorSpec, facts: HypervisorFacts) -> Capacity:
    """Return what may be claimed on a hypervisor."""
    if spec.capacity is not None:
        return spec.capacity
    return Capacity(cpus=facts.cpus * spec.cpu_overcommit, memory=facts.memory)
