"""What is done to a running guest: pause, resume, reboot. Each call is one libvirt operation on one incarnation."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from drivers.libvirt.errors import is_code
from drivers.libvirt.guest_info import silent
from drivers.libvirt.metadata import write_reboot
from drivers.libvirt.sight import Sight

_LOG = logging.getLogger(__name__)
_ENDED = (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN)
"""How libvirt says that a domain is not in the state which an operation needs."""


def pause(domain: libvirt.virDomain) -> None:
    """Freeze a running domain's CPUs. Raises libvirtError."""
    with unless_ended(domain):
        domain.suspend()


def resume(domain: libvirt.virDomain) -> None:
    """Let a paused domain go on, whoever paused it: somebody, a full disk, or the guest itself. Raises libvirtError."""
    with unless_ended(domain):
        if domain.state()[0] == libvirt.VIR_DOMAIN_PMSUSPENDED:
            domain.pMWakeup(0)
        else:
            domain.resume()


def reboot(domain: libvirt.virDomain, seen: Sight, request: str, *, hard: bool) -> None:
    """Press reset or ask the guest to reboot, then note the order in it. Raises libvirtError.

    The agent is asked where there is one, else the power button is pressed, and libvirt makes a reboot of the power-off
    that follows, be it much later: a guest that does not hear the button is rebooted when it next powers itself off.
    The order is met either way.
    """
    with unless_ended(domain):
        if hard:
            domain.reset(0)
        elif not (seen.connected and _ask_agent(domain)):
            domain.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)
        write_reboot(domain, request)


@contextmanager
def unless_ended(domain: libvirt.virDomain) -> Iterator[None]:
    """Let an operation fail on a domain that ended meanwhile: the next look at it tells."""
    try:
        yield
    except libvirt.libvirtError as error:
        if not is_code(error, *_ENDED) or _active(domain):
            raise


def _ask_agent(domain: libvirt.virDomain) -> bool:
    """Return whether the agent took the request; libvirt waits for the reboot to begin."""
    try:
        domain.reboot(libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT)
    except libvirt.libvirtError as error:
        if not silent(error):
            raise
        _LOG.info("the agent of %s does not reboot it; the power button is pressed: %s", domain.name(), error)
        return False
    return True


def _active(domain: libvirt.virDomain) -> bool:
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            return False
        raise
