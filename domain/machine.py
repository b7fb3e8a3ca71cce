"""What a virtual machine is asked to be, whatever manifest asked for it."""

from domain.guest import GuestPlan, default_mac
from domain.image import ImageSource, image_key
from domain.model import Value
from domain.names import SUFFIX, domain_name, hostname
from domain.run_strategy import RunStrategy

DEFAULT_GRACE = 60.0
"""Seconds a guest gets to shut itself down before it is powered off."""


GRACE_LIMIT = 86_400
"""The most seconds of grace that can be asked for: who wants a day wants no power-off at all."""


class MachineSpec(Value):
    """A virtual machine, version- and hypervisor-neutral.

    memory, disk: bytes. zone: where it must be placed; empty means anywhere. mac: empty means derived from the UID.
    """

    namespace: str
    name: str
    cpus: int
    cpu_model: str = ""
    memory: int
    max_cpus: int = 0
    max_memory: int = 0
    disk: int
    source: ImageSource
    user_data: str = ""
    mac: str = ""
    tcp: tuple[int, ...] = ()
    udp: tuple[int, ...] = ()
    zone: str = ""
    run_strategy: RunStrategy = RunStrategy.ALWAYS
    grace: float = DEFAULT_GRACE

    @property
    def image(self) -> str:
        """The key under which this machine's image is cached."""
        return image_key(self.namespace, self.source)


def guest_plan(spec: MachineSpec, uid: str, *, suffix: int = SUFFIX) -> GuestPlan:
    """Return what a driver must build for a machine; suffix as in `domain.names.domain_name`."""
    return GuestPlan(
        uid=uid,
        name=domain_name(spec.name, uid, length=suffix),
        owner=f"{spec.namespace}/{spec.name}",
        hostname=hostname(spec.name),
        cpus=spec.cpus,
        memory=spec.memory,
        max_cpus=max(spec.cpus, spec.max_cpus),
        max_memory=max(spec.memory, spec.max_memory),
        cpu_model=spec.cpu_model,
        disk=spec.disk,
        image=spec.image,
        user_data=spec.user_data,
        mac=spec.mac or default_mac(uid),
        tcp=spec.tcp,
        udp=spec.udp,
    )
