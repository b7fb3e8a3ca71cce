"""Powering on and off."""

import logging
import threading
import time
from collections.abc import Callable

import libvirt

from drivers.base import Beat
from drivers.libvirt.errors import is_code
from drivers.libvirt.metadata import mark_power_on
from drivers.libvirt.sight import Sight, look

_LOG = logging.getLogger(__name__)
_PACE = 0.1
"""Seconds between two looks at a guest that is shutting down."""
_ASK_AGAIN = 5.0
"""Seconds between two requests: a guest that boots does not hear the first ones."""


def power_on(domain: libvirt.virDomain) -> None:
    """Start a domain unless it runs. Raises libvirtError."""
    mark_power_on(domain)
    try:
        domain.createWithFlags(0)
    except libvirt.libvirtError:
        if not look(domain).incarnation:  # otherwise another attempt at the same time was first
            raise


def power_off(domain: libvirt.virDomain) -> None:
    """Power a domain off hard; one that is off or gone is left so. Raises libvirtError."""
    try:
        domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_DEFAULT)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            return
        if not is_code(error, libvirt.VIR_ERR_OPERATION_INVALID) or domain.isActive():
            raise


class Shutdown:
    """Asks one guest to shut itself down, until it is off or its grace is over; then powers it off.

    seen: looks at the guest; None when it is gone. Only `incarnation` is asked or powered off.
    """

    def __init__(self, domain: libvirt.virDomain, incarnation: str, seen: Callable[[], Sight | None]) -> None:
        self._domain = domain
        self._incarnation = incarnation
        self._seen = seen
        self._asking: threading.Thread | None = None

    def end(self, grace: float, beat: Beat) -> None:
        """Return when the incarnation has ended. Raises libvirtError, and whatever `beat` raises."""
        over = time.monotonic() + grace
        ask = time.monotonic()
        while (seen := self._seen()) is not None and seen.incarnation == self._incarnation:
            now = time.monotonic()
            if now >= over:
                power_off(self._domain)
                return
            beat()
            if now >= ask:
                self._ask(seen)
                ask = now + _ASK_AGAIN
            time.sleep(min(_PACE, max(0.0, over - now)))

    def _ask(self, seen: Sight) -> None:
        """Ask the agent; while it has not answered, or where there is none, press the power button."""
        if seen.connected and (self._asking is None or not self._asking.is_alive()):
            # The agent's answer to a shutdown is the guest's end: libvirt waits a minute for it, so it waits aside.
            self._asking = threading.Thread(
                target=self._request,
                args=(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,),
                name=f"shutdown-{seen.uid}",
                daemon=True,
            )
            self._asking.start()
        else:
            self._request(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)

    def _request(self, way: int) -> None:
        """Ask once. What became of it is seen by looking at the guest, which also tells of trouble with libvirt."""
        try:
            self._domain.shutdownFlags(way)
        except libvirt.libvirtError as error:
            _LOG.info("a request to shut %s down did not get through: %s", self._domain.name(), error)
