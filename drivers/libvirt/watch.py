"""Hints: what libvirt's events say, and when a booting guest's first address is known."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import libvirt

from domain.guest import Power
from domain.life import BOOT_PATIENCE
from drivers.base import Change
from drivers.libvirt.errors import unreachable
from drivers.libvirt.guest_info import guest_info
from drivers.libvirt.host import Host, alive, find_domain
from drivers.libvirt.networks import Link
from drivers.libvirt.sight import Sight, glance

_TICK = 0.5
"""Seconds between two looks at guests whose first address is awaited, and at `stop`."""
_BROKEN = Change(uid="", what="broken")

_LIFECYCLE = {
    libvirt.VIR_DOMAIN_EVENT_DEFINED: "defined",
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: "undefined",
    libvirt.VIR_DOMAIN_EVENT_STARTED: "started",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: "suspended",
    libvirt.VIR_DOMAIN_EVENT_RESUMED: "resumed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED: "stopped",
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: "suspended",
    libvirt.VIR_DOMAIN_EVENT_CRASHED: "crashed",
}
_AGENT = {
    libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED: "agent connected",
    libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED: "agent disconnected",
}
_MAY_GET_AN_ADDRESS = {"started", "resumed", "agent connected", "rebooted"}


class Watch:
    """One listener, with a connection of its own so that its end is noticed whatever other calls do.

    ours: tells whether a domain is one to speak of.
    """

    def __init__(self, host: Host, link: Link, ours: Callable[[Sight], bool]) -> None:
        self._host = host
        self._link = link
        self._ours = ours
        self._hints: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._awaited: dict[str, float] = {}
        """UIDs of running guests without a known address → when to stop waiting for one (monotonic)."""

    def changes(self, stop: threading.Event) -> Iterator[Change]:
        """Yield hints until `stop` is set. Raises Problem.retry `HypervisorUnreachable`."""
        with self._host.translated():
            connection = self._host.opened()
        with self._host.translated(connection), self._registered(connection):
            for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
                self._await_address(domain.UUIDString())
            yield Change(uid="", what="connected")
            while not stop.is_set():
                for hint in self._heard():
                    if self._concerns_us(connection, hint):
                        yield hint
                yield from self._addressed(connection)

    def _heard(self) -> Iterator[Change]:
        """Yield what events said; wait for one at most a tick."""
        with contextlib.suppress(queue.Empty):
            hint = self._hints.get(timeout=_TICK)
            while True:
                if hint is _BROKEN:
                    raise unreachable(self._host.uri, "the connection broke")
                yield hint
                hint = self._hints.get_nowait()

    def _concerns_us(self, connection: libvirt.virConnect, hint: Change) -> bool:
        """Tell whether to pass a hint on: of a domain that is gone nobody knows any more whose it was."""
        domain = find_domain(connection, hint.uid)
        seen = glance(domain) if domain is not None else None
        if seen is not None and self._ours(seen) and hint.what in _MAY_GET_AN_ADDRESS:
            self._await_address(hint.uid)
        return seen is None or self._ours(seen)

    def _addressed(self, connection: libvirt.virConnect) -> Iterator[Change]:
        """Yield a hint for each guest whose address became known; forget those that have none to wait for."""
        now = time.monotonic()
        for uid, until in list(self._awaited.items()):
            known = self._address_known(connection, uid)
            if known:
                yield Change(uid=uid, what="address")
            if known is not False or now >= until:
                del self._awaited[uid]

    def _address_known(self, connection: libvirt.virConnect, uid: str) -> bool | None:
        """Tell whether a guest's address is known; None when it does not run, or is not ours."""
        domain = find_domain(connection, uid)
        seen = glance(domain) if domain is not None else None
        if domain is None or seen is None or seen.power is not Power.RUNNING or not self._ours(seen):
            return None
        return bool(guest_info(connection, domain, seen, self._link).addresses)

    def _await_address(self, uid: str) -> None:
        self._awaited[uid] = time.monotonic() + BOOT_PATIENCE.total_seconds()

    @contextlib.contextmanager
    def _registered(self, connection: libvirt.virConnect) -> Iterator[None]:
        """Have libvirt report to the queue, on the event loop's thread, while the block runs."""
        connection.registerCloseCallback(lambda *_: self._hints.put(_BROKEN), None)
        kinds: tuple[tuple[int, Any], ...] = (
            (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle),
            (libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, self._on_agent),
            (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._on_reboot),
        )
        callbacks = [connection.domainEventRegisterAny(None, kind, heard, None) for kind, heard in kinds]
        try:
            yield
        finally:
            if alive(connection):
                for callback in callbacks:
                    connection.domainEventDeregisterAny(callback)
                connection.unregisterCloseCallback()
            connection.close()

    def _on_lifecycle(
        self, _: libvirt.virConnect, domain: libvirt.virDomain, event: int, _detail: int, _opaque: object
    ) -> None:
        self._hints.put(Change(uid=domain.UUIDString(), what=_LIFECYCLE.get(event, "changed")))

    def _on_agent(
        self, _: libvirt.virConnect, domain: libvirt.virDomain, state: int, _reason: int, _opaque: object
    ) -> None:
        self._hints.put(Change(uid=domain.UUIDString(), what=_AGENT.get(state, "agent changed")))

    def _on_reboot(self, _: libvirt.virConnect, domain: libvirt.virDomain, _opaque: object) -> None:
        self._hints.put(Change(uid=domain.UUIDString(), what="rebooted"))
