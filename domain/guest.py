"""A guest as a hypervisor sees it: what to build (`GuestPlan`) and what is there (`Observation`)."""

from enum import StrEnum
from hashlib import sha256

from domain.model import Value


class GuestPlan(Value):
    """Everything a driver needs to build one guest, whatever the hypervisor.

    uid:         the VM's UUID; the domain's UUID and the key of everything built for it.
    name:        the domain's name on the hypervisor (`managed-virtualserver-9dda9`).
    owner:       `<namespace>/<name>` of the VM, written beside the domain so that a person can trace it back.
    hostname:    what the guest calls itself.
    memory, disk: bytes.
    image:       key of the cached image the root disk is a linked clone of (domain.image.image_key).
    user_data:   cloud-init user data exactly as the user wrote it; empty means none.
    mac:         the first interface's address; `default_mac(uid)` unless the user chose one.
    tcp, udp:    ports the VM exposes; a driver with user-mode networking forwards them.
    max_cpus, max_memory: how far a running guest can be grown; never less than `cpus` and `memory`.
    """

    uid: str
    name: str
    owner: str
    hostname: str
    cpus: int
    memory: int
    max_cpus: int
    max_memory: int
    cpu_model: str = ""
    disk: int
    image: str
    user_data: str = ""
    mac: str
    tcp: tuple[int, ...] = ()
    udp: tuple[int, ...] = ()

    @property
    def shape(self) -> "Shape":
        """What a running guest can be fitted to."""
        tcp, udp = tuple(sorted(self.tcp)), tuple(sorted(self.udp))
        return Shape(cpus=self.cpus, memory=self.memory, disk=self.disk, tcp=tcp, udp=udp)

    @property
    def build(self) -> str:
        """A digest of everything that takes effect at a power-on only: what is neither identity nor shape.

        The maxima are not in it: they take effect at a power-on, and are missed only by a shape that exceeds them.
        """
        fixed = (self.hostname, self.cpu_model, self.user_data, self.mac)
        return sha256(repr(fixed).encode()).hexdigest()[:16]


class Shape(Value):
    """What of a guest can change while it runs. memory, disk: bytes; tcp, udp: exposed ports, in order."""

    cpus: int
    memory: int
    disk: int
    tcp: tuple[int, ...] = ()
    udp: tuple[int, ...] = ()


class Power(StrEnum):
    """Whether a domain exists and runs."""

    ABSENT = "Absent"
    """The hypervisor said in so many words that there is no such domain."""
    OFF = "Off"
    RUNNING = "Running"
    PAUSED = "Paused"


class StopCause(StrEnum):
    """Why a domain is off. Run strategies tell a guest's own power-off from a crash."""

    UNKNOWN = "Unknown"
    """Never started, or the hypervisor no longer knows (it was restarted)."""
    GUEST = "Guest"
    """The guest shut itself down: from inside, by ACPI or by the agent."""
    HOST = "Host"
    """The domain was destroyed from outside the guest."""
    FAILED = "Failed"
    """The hypervisor's process for the guest died."""
    CRASHED = "Crashed"
    """The guest panicked."""


class GuestInfo(Value):
    """What the guest itself tells, through an agent or its DHCP lease. Empty fields are not known (yet)."""

    agent: bool = False
    """The guest agent is connected: the operating system is up."""
    addresses: tuple[str, ...] = ()
    """Usable addresses, without prefix length, IPv4 first; never loopback or link-local."""
    hostname: str = ""
    os: str = ""
    """Pretty name of the operating system, such as `Debian GNU/Linux 12 (bookworm)`."""
    agent_version: str = ""


class Forward(Value):
    """A guest port reachable through the host because the guest's network is not."""

    protocol: str
    guest: int
    host: int


class Observation(Value):
    """What a hypervisor says about one guest at one moment.

    owner:       `<namespace>/<name>` as `GuestPlan.owner` said it; empty for an absent guest.
    incarnation: names one power-on of this guest. It differs for every power-on, is stable while the guest runs
                 (pause, guest reboot and a restart of the hypervisor's daemon keep it) and is empty when the guest is
                 off or absent.
    forwards:    host ports that lead to guest ports, where the driver forwards them.
    start:       number of the latest power-on that was ordered of the guest (`Driver.ensure_running`), whether it still
                 runs or has ended; 0 when there was none, and for an absent guest.
    shape:       what the incarnation has now; None when the guest is off or absent.
    build:       `GuestPlan.build` of the plan the incarnation was powered on with; empty when off or absent.
    reboot:      id of the latest reboot order (`Driver.ensure_rebooted`) the incarnation has met; empty when none.
    cut_off:     its latest power-on was cut off before the guest's CPUs moved: nothing of it ever ran.
    """

    uid: str
    power: Power
    owner: str = ""
    incarnation: str = ""
    cause: StopCause = StopCause.UNKNOWN
    guest: GuestInfo = GuestInfo()
    forwards: tuple[Forward, ...] = ()
    start: int = 0
    shape: Shape | None = None
    build: str = ""
    reboot: str = ""
    cut_off: bool = False

    @property
    def alive(self) -> bool:
        """Whether an incarnation exists."""
        return self.power in {Power.RUNNING, Power.PAUSED}

    @property
    def paused(self) -> bool:
        """Whether the incarnation's CPUs are frozen."""
        return self.power is Power.PAUSED

    @property
    def booted(self) -> bool:
        """Whether the guest's operating system has shown itself: by its agent or by an address it asked for."""
        return self.power is Power.RUNNING and (self.guest.agent or bool(self.guest.addresses))


def absent(uid: str) -> Observation:
    """Return the observation of a domain that does not exist."""
    return Observation(uid=uid, power=Power.ABSENT)


def default_mac(uid: str) -> str:
    """Return a stable, locally administered MAC address for a VM; 52:54:00 is QEMU's customary prefix."""
    digest = sha256(f"mac:{uid}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])
