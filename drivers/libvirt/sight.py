"""Looking at a domain: from libvirt's state and XML to what vmflow says about a guest."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import libvirt
from lxml import etree

from domain.guest import GuestInfo, Observation, Power, StopCause
from drivers.libvirt.domain_xml import AGENT_CHANNEL
from drivers.libvirt.errors import is_code
from drivers.libvirt.metadata import Mark, read_mark

_POWER = {
    libvirt.VIR_DOMAIN_RUNNING: Power.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: Power.RUNNING,
    libvirt.VIR_DOMAIN_SHUTDOWN: Power.RUNNING,  # the guest is through, its process not yet
    libvirt.VIR_DOMAIN_PAUSED: Power.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: Power.PAUSED,
    libvirt.VIR_DOMAIN_SHUTOFF: Power.OFF,
    libvirt.VIR_DOMAIN_CRASHED: Power.OFF,  # kept by on_crash: nothing of the guest runs any more
    libvirt.VIR_DOMAIN_NOSTATE: Power.OFF,
}
"""virDomainState → power. https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainState"""

_CAUSE = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: StopCause.GUEST,
    libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED: StopCause.HOST,
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: StopCause.FAILED,  # with on_crash preserve: its process died
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: StopCause.FAILED,
    libvirt.VIR_DOMAIN_SHUTOFF_DAEMON: StopCause.FAILED,
    libvirt.VIR_DOMAIN_SHUTOFF_SAVED: StopCause.HOST,
}
"""virDomainShutoffReason → cause; any other is unknown. libvirtd forgets the reason when it is restarted."""

_STARTING = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP)
"""For a moment every new domain is paused: that is its power-on, not somebody's pause."""
_ATTEMPTS = 5


class Sight(NamedTuple):
    """One domain at one moment.

    crashed:   it panicked and is kept. connected: the guest's agent is there. macs: of the interfaces libvirt knows.
    """

    uid: str
    power: Power
    cause: StopCause
    incarnation: str
    crashed: bool
    mark: Mark
    connected: bool
    macs: tuple[str, ...]

    def observation(self, guest: GuestInfo | None = None) -> Observation:
        """Return it in the driver protocol's words."""
        alive = bool(self.incarnation)
        return Observation(
            uid=self.uid,
            power=self.power,
            owner=self.mark.owner,
            incarnation=self.incarnation,
            cause=self.cause,
            guest=guest or GuestInfo(),
            forwards=self.mark.forwards if alive else (),
        )


def look(domain: libvirt.virDomain) -> Sight:
    """Look at a domain. Raises libvirtError, with VIR_ERR_NO_DOMAIN when it went meanwhile.

    State and XML are two questions; they are asked again when the domain started or ended between them.
    """
    for _ in range(_ATTEMPTS):
        state, reason = domain.state()
        document = etree.fromstring(domain.XMLDesc(0))
        off = state in {libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_NOSTATE}
        if off == (document.get("id") is None):
            break
    return _sight(state, reason, document)


def glance(domain: libvirt.virDomain) -> Sight | None:
    """Look at a domain; None when libvirt says that it is gone. Raises libvirtError."""
    try:
        return look(domain)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            return None
        raise


def _sight(state: int, reason: int, document: etree._Element) -> Sight:
    power = Power.RUNNING if (state, reason) == _STARTING else _POWER[state]
    mark = read_mark(document)
    alive = power in {Power.RUNNING, Power.PAUSED}
    crashed = state == libvirt.VIR_DOMAIN_CRASHED
    channel = document.find(f"devices/channel/target[@name='{AGENT_CHANNEL}']")
    return Sight(
        uid=document.findtext("uuid", default=""),
        power=power,
        cause=StopCause.CRASHED
        if crashed
        else _CAUSE.get(reason, StopCause.UNKNOWN)
        if not alive
        else StopCause.UNKNOWN,
        incarnation=_incarnation(mark, document.get("id", "")) if alive else "",
        crashed=crashed,
        mark=mark,
        connected=alive and channel is not None and channel.get("state") == "connected",
        macs=tuple(each.get("address", "") for each in document.iterfind("devices/interface/mac")),
    )


def _incarnation(mark: Mark, number: str) -> str:
    """Name a power-on: the token written before it, libvirt's number of it, and the host's boot.

    The token alone tells vmflow's power-ons apart. Somebody else's (`virsh start`) finds the last token again, but
    another number, which libvirtd never gives twice while it runs.
    """
    return "-".join(part for part in (mark.token, number, _boot()) if part)


@cache
def _boot() -> str:
    """Return what names this boot of this machine, near which the hypervisor is (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
