"""Looking at a domain: from libvirt's state and XML to what vmflow says about a guest."""

import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import libvirt
from lxml import etree

from domain.guest import GuestInfo, Observation, Power, Shape, StopCause
from drivers.libvirt.domain_xml import AGENT_CHANNEL
from drivers.libvirt.errors import is_code
from drivers.libvirt.metadata import Mark, read_mark
from drivers.libvirt.shape import read_shape

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

BEGINNING = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP)
"""State and reason of a domain whose process libvirt starts. Most questions about it wait until that is done."""

_IN_PASSING = {
    BEGINNING,
    (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SHUTTING_DOWN),
}
"""Pauses that nobody ordered: of a domain that begins, ends or is rebooted."""
_UNFINISHED_SECONDS = 60.0
"""How long a power-on may take from its mark to the moment the CPUs are let go."""
_ATTEMPTS = 5


class Sight(NamedTuple):
    """One domain at one moment.

    crashed:   it panicked and is kept. connected: the guest's agent is there. macs: of the interfaces libvirt knows.
    start:     number of its latest power-on, by the marks (`power` tells of them); one that was cut off is none yet.
    cut_off:   its latest power-on never got as far as CPUs that move; one that is under way may seem so.
    shape:     what the incarnation has; None without one, while it begins, and of a domain that vmflow did not build.
    """

    uid: str
    power: Power
    cause: StopCause
    incarnation: str
    crashed: bool
    mark: Mark
    connected: bool
    macs: tuple[str, ...]
    start: int
    shape: Shape | None
    cut_off: bool

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
            start=self.start,
            shape=self.shape,
            build=self.mark.build if alive else "",
            cut_off=self.cut_off,
            reboot=self.mark.reboot if alive else "",
        )


def look(domain: libvirt.virDomain) -> Sight:
    """Look at a domain. Raises libvirtError, with VIR_ERR_NO_DOMAIN when it went meanwhile.

    State and XML are two questions; they are asked again when the domain started, ended or went on between them.
    """
    for _ in range(_ATTEMPTS):
        state, reason = domain.state()
        document = etree.fromstring(domain.XMLDesc(0))
        off = state in {libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_NOSTATE}
        paused = state == libvirt.VIR_DOMAIN_PAUSED
        if off == (document.get("id") is None) and not (paused and domain.state()[0] != state):
            break
    return _sight(domain, state, reason, document)


def glance(domain: libvirt.virDomain) -> Sight | None:
    """Look at a domain; None when libvirt says that it is gone. Raises libvirtError."""
    try:
        return look(domain)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            return None
        raise


def _sight(domain: libvirt.virDomain, state: int, reason: int, document: etree._Element) -> Sight:
    mark = read_mark(document)
    power = _power(state, reason, mark)
    alive = power in {Power.RUNNING, Power.PAUSED}
    crashed = state == libvirt.VIR_DOMAIN_CRASHED
    built = alive and bool(mark.directory)
    stands = state == libvirt.VIR_DOMAIN_PAUSED if alive else not (mark.freed or crashed)
    cause = StopCause.UNKNOWN if alive else StopCause.CRASHED if crashed else _CAUSE.get(reason, StopCause.UNKNOWN)
    channel = document.find(f"devices/channel/target[@name='{AGENT_CHANNEL}']")
    connected = alive and channel is not None and channel.get("state") == "connected"
    return Sight(
        uid=document.findtext("uuid", default=""),
        power=power,
        cause=cause,
        incarnation=_incarnation(mark, document.get("id", "")) if alive else "",
        crashed=crashed,
        mark=mark,
        connected=connected,
        macs=tuple(each.get("address", "") for each in document.iterfind("devices/interface/mac")),
        start=mark.start if crashed or (mark.freed and cause is StopCause.GUEST) else mark.ran,
        shape=read_shape(domain, document, mark, agent=connected) if built and (state, reason) != BEGINNING else None,
        cut_off=mark.unfinished and stands,
    )


def _power(state: int, reason: int, mark: Mark) -> Power:
    if (state, reason) == BEGINNING:
        return Power.RUNNING
    if state == libvirt.VIR_DOMAIN_PAUSED and mark.unfinished:
        return Power.RUNNING if time.time() - mark.at < _UNFINISHED_SECONDS else Power.PAUSED
    return Power.RUNNING if (state, reason) in _IN_PASSING else _POWER[state]


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
