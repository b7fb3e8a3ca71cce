"""Powering on and off.

A power-on has a number, for which a guest runs at least once, and not twice where that can be helped. It takes five
steps, each with a trace:

1. The definition says that power-on N is begun (`start=N ran=M`, with a token of its own; M is the one before).
2. QEMU is started with its CPUs held. The running domain is a copy of the definition, with what it says.
3. The definition says that N is about to run (`freed`).
4. The CPUs are let go.
5. The definition and the running domain say that N ran (`ran=N`).

A worker may die after any step.

- After 1 no domain runs and N never ran: the next attempt begins again, as it does when QEMU did not start.
- After 2 or 3 a domain waits whose CPUs never moved. That is QEMU's word: its state is `prelaunch`, which no pause
  leads back to. The next attempt lets it go. If it ends before, N never ran.
- After 4 the guest runs, and the next attempt does 5. If it shuts itself down before, 3 and the end's cause tell that N
  ran: nothing but CPUs that run can shut a guest down.
- After 5 everything is told.

What is left: a guest that runs since 4, whose worker died before 5 and which was killed before the next attempt, runs
once more. The other error, a power-on that is never made, would be the worse one.

libvirtd may die in 2 as well, before QEMU has said a word. The next libvirtd then waits for that word, maybe for ever,
and whoever asks for more than state and XML waits with it. Nothing of that guest ran: after a while it is powered off,
which libvirt does without waiting, and begun again (`give_up_start`).

A domain that waits since a moment ago is being powered on and seen as running; one that waits for long has been left
behind, and is seen as paused. Either way it says that it was cut off, and goes on when it is run or resumed.
"""

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable

import libvirt
import libvirt_qemu

from drivers.base import Beat
from drivers.libvirt.errors import is_code
from drivers.libvirt.metadata import CONFIG, LIVE, configured, write_power
from drivers.libvirt.sight import BEGINNING, Sight, look

_LOG = logging.getLogger(__name__)
_PACE = 0.1
"""Seconds between two looks at a guest that is shutting down."""
_HANGS_SECONDS = 60.0
"""How long libvirt may wait for the first word of a process that it, or a daemon before it, has started."""
_ASK_AGAIN = 5.0
"""Seconds between two requests: a guest that boots does not hear the first ones."""


def power_on(domain: libvirt.virDomain, start: int) -> None:
    """Start a domain that is off, for a number. One caller at a time; raises libvirtError."""
    before = look(domain).start
    begun = {"token": secrets.token_hex(8), "at": time.time(), "start": start, "ran": before, "freed": False}
    write_power(domain, configured(domain).model_copy(update=begun), CONFIG)
    try:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    except libvirt.libvirtError:
        if not look(domain).incarnation:  # otherwise somebody else started it
            raise
    finish(domain, start)


def give_up_start(domain: libvirt.virDomain) -> None:
    """Power a domain off whose start hangs in libvirt. Raises libvirtError."""
    if tuple(domain.state()) != BEGINNING:
        return
    try:
        state, _, milliseconds = domain.controlInfo()
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_OPERATION_INVALID):  # it ended meanwhile
            return
        raise
    if state != libvirt.VIR_DOMAIN_CONTROL_OK and milliseconds >= _HANGS_SECONDS * 1000:
        _LOG.warning("the start of %s hangs in libvirt; it is powered off, and begun again", domain.name())
        power_off(domain)


def finish(domain: libvirt.virDomain, start: int = 0) -> None:
    """See a power-on through that was begun, by this attempt or one that was cut off. Raises libvirtError.

    start: the number that is wanted by now; CPUs that never moved are let go for this one.
    """
    seen = look(domain)
    if not seen.incarnation or not seen.mark.unfinished:
        return
    held = _held(domain)
    number = max(seen.mark.start, start) if held else seen.mark.start
    if held:
        write_power(domain, seen.mark.model_copy(update={"start": number, "freed": True}), CONFIG)
        domain.resume()
    write_power(domain, seen.mark.model_copy(update={"start": number, "ran": number}), CONFIG | LIVE)


def _held(domain: libvirt.virDomain) -> bool:
    """Tell whether a domain waits for its CPUs to be let go for the first time."""
    if domain.state()[0] != libvirt.VIR_DOMAIN_PAUSED:
        return False
    told = libvirt_qemu.qemuMonitorCommand(domain, json.dumps({"execute": "query-status"}), 0)
    return bool(json.loads(told)["return"]["status"] == "prelaunch")


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
