"""The driver protocol, told to the simulator.

Every call is a few steps (`steps.STEPS`), each a transaction of its own.
"""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from domain.channel import Endpoint
from domain.guest import GuestPlan, Observation, Power, StopCause
from domain.hypervisor import HypervisorFacts, SimulatorSpec
from domain.problem import Problem
from drivers.base import Beat, Change
from drivers.cache import partial_images
from drivers.simulator import guests, journal, volumes
from drivers.simulator.building import Builder
from drivers.simulator.channels import open_channel
from drivers.simulator.console import console
from drivers.simulator.faults import Faults
from drivers.simulator.fitting import fit
from drivers.simulator.steps import Steps
from drivers.simulator.store import Store

VERSION = "1"
_PACE = 0.05
"""Seconds between two looks at a guest that is shutting down."""
_ASK_AGAIN = 0.25
"""Seconds between two requests to shut down."""


_CONSOLE_SHOWN = 65536
"""Bytes of what was printed before that a new console shows."""


class SimulatorDriver:
    """One simulated hypervisor: the folder `spec.directory`. Safe for many threads, and many processes at once."""

    def __init__(self, spec: SimulatorSpec) -> None:
        self._spec = spec
        self._store = Store(Path(spec.directory))
        self._steps = Steps(self._store, Faults(self._store))
        self._builder = Builder(self._store, self._steps, self.images)

    @property
    def images(self) -> Path:
        """Folder of the image cache."""
        return Path(self._spec.directory) / "images"

    def prepare(self) -> HypervisorFacts:
        """Make the folder and the state file unless they are there."""
        self._store.create()
        with self._steps.call("prepare"):
            self.images.mkdir(exist_ok=True)
            with self._store.reading() as db:
                identity = db.execute("SELECT uuid FROM host").fetchone()["uuid"]
            return HypervisorFacts(
                uuid=identity,
                driver="simulator",
                version=VERSION,
                accelerator="none",
                accelerator_reason="simulated guests run no code",
                cpus=self._spec.cpus,
                memory=self._spec.memory,
            )

    def observe(self, uid: str) -> Observation:
        """Report one guest by its row and the clock."""
        with self._steps.call("observe", uid):
            return self._look(uid)

    def inventory(self) -> list[Observation]:
        """Report every guest, without what it tells itself."""
        with self._steps.call("inventory"):
            with self._store.reading() as db:
                rows = guests.everything(db)
            return [guests.observation(row, row["uid"], ask=False) for row in rows]

    def ensure_defined(self, plan: GuestPlan, *, fresh: bool) -> Observation:
        """Make the root disk, the seed and the domain, each unless it is there."""
        with self._steps.call("ensure_defined", plan.uid):
            self._builder.ensure_defined(plan, fresh=fresh)
            return self._look(plan.uid)

    def ensure_running(self, plan: GuestPlan, *, fresh: bool, start: int) -> Observation:
        """Define, then power on unless there is an incarnation, or was one for this number."""
        with self._steps.call("ensure_running", plan.uid):
            self._builder.ensure_defined(plan, fresh=fresh)
            seen = self._look(plan.uid)
            if not seen.alive and seen.start < start:
                with self._steps.step("ensure_running.start", plan.uid) as db:
                    there = guests.power_on(db, plan.uid, self._spec.boot_seconds, start)
                if not there:
                    raise Problem.retry(
                        "DomainVanished", "the domain was removed while it was started", field=plan.owner
                    )
            return self._look(plan.uid)

    def ensure_paused(self, uid: str, *, incarnation: str) -> Observation:
        """Freeze one incarnation."""
        with self._steps.call("ensure_paused", uid):
            if self._is(uid, incarnation, Power.RUNNING):
                with self._steps.step("ensure_paused.pause", uid) as db:
                    guests.pause(db, uid, paused=True, incarnation=incarnation)
            return self._look(uid)

    def ensure_resumed(self, uid: str, *, incarnation: str) -> Observation:
        """Let one frozen incarnation go on."""
        with self._steps.call("ensure_resumed", uid):
            if self._is(uid, incarnation, Power.PAUSED):
                with self._steps.step("ensure_resumed.resume", uid) as db:
                    guests.pause(db, uid, paused=False, incarnation=incarnation)
            return self._look(uid)

    def ensure_rebooted(self, uid: str, *, incarnation: str, request: str, hard: bool) -> Observation:
        """Reboot one incarnation; the note of the order is part of the same step, so no order reboots twice."""
        with self._steps.call("ensure_rebooted", uid):
            if self._is(uid, incarnation, Power.RUNNING) and self._look(uid).reboot != request:
                with self._steps.step("ensure_rebooted.reboot", uid) as db:
                    guests.meet_reboot(db, uid, incarnation=incarnation, request=request, hard=hard)
            return self._look(uid)

    def ensure_fitted(self, plan: GuestPlan, *, incarnation: str) -> Observation:
        """Change what of one incarnation differs from the plan and can follow it."""
        with self._steps.call("ensure_fitted", plan.uid):
            fit(self._store, self._steps, plan, incarnation)
            return self._look(plan.uid)

    def ensure_stopped(self, uid: str, *, incarnation: str, grace: float, beat: Beat) -> Observation:
        """Ask the guest until it is off or its grace is over, then power it off."""
        with self._steps.call("ensure_stopped", uid, beat):
            patience = time.monotonic() + grace
            ask_next = 0.0
            while True:
                seen = self._look(uid)
                if not seen.alive or seen.incarnation != incarnation:
                    return seen
                now = time.monotonic()
                if now >= patience:
                    with self._steps.step("ensure_stopped.power_off", uid, beat) as db:
                        guests.end(db, uid, StopCause.HOST, incarnation=incarnation)
                    continue
                beat()
                if now >= ask_next:
                    ask_next = now + _ASK_AGAIN
                    with self._steps.step("ensure_stopped.ask", uid, beat) as db:
                        guests.ask_to_shut_down(db, uid, self._spec.shutdown_seconds)
                else:
                    time.sleep(min(_PACE, patience - now))

    def ensure_removed(self, uid: str) -> None:
        """Power off, forget the domain, then delete its volumes: what is left in between is named by `leftovers`."""
        with self._steps.call("ensure_removed", uid):
            with self._store.reading() as db:
                row = guests.find(db, uid)
            if guests.alive(row, time.time()):
                with self._steps.step("ensure_removed.power_off", uid) as db:
                    guests.end(db, uid, StopCause.HOST)
            if row is not None:
                with self._steps.step("ensure_removed.domain", uid) as db:
                    guests.undefine(db, uid)
            for step, name in (
                ("ensure_removed.disk", volumes.root(uid)),
                ("ensure_removed.seed", volumes.seed(uid)),
                ("ensure_removed.partial", volumes.partial(uid)),
            ):
                if self._has(name):
                    with self._steps.step(step, uid) as db:
                        volumes.delete(db, name)

    def console(self, uid: str, *, limit: int) -> bytes:
        """Return the end of what the guest printed by now."""
        with self._steps.call("console", uid):
            with self._store.reading() as db:
                row = guests.find(db, uid)
            text = b"" if row is None else console(row)
            return text[max(0, len(text) - limit) :]

    def open_channel(self, uid: str, *, endpoint: Endpoint, port: int = 0) -> socket.socket:
        """Connect to something that echoes; a port only where the VM exposes it."""
        with self._steps.call("open_channel", uid):
            seen = self.observe(uid)
            if not seen.alive:
                raise Problem.wait("GuestNotRunning", "the guest is off; start it first", field=uid)
            if endpoint is Endpoint.PORT and (seen.shape is None or port not in seen.shape.tcp):
                raise Problem.terminal(
                    "PortClosed", f"TCP port {port} is not exposed; add it to spec.network.tcp", field=uid
                )
            printed = self.console(uid, limit=_CONSOLE_SHOWN)
            return open_channel(endpoint, printed, lambda: self._lives(uid, seen.incarnation))

    def changes(self, stop: threading.Event) -> Iterator[Change]:
        """Yield what the journal says, in every process, as it falls due."""
        with self._steps.call("changes"):
            yield from journal.follow(self._store, stop)

    def clones(self, image: str) -> list[str]:
        """Ask the root disks, and those on their way to be one."""
        with self._steps.call("clones"), self._store.reading() as db:
            return volumes.leaning_on(db, image)

    def leftovers(self) -> list[str]:
        """Name the volumes without a domain and everything partial."""
        with self._steps.call("leftovers"), self._store.reading() as db:
            return volumes.orphans(db) + partial_images(self.images)

    def close(self) -> None:
        """Close the state file; guests go on by the clock."""
        self._store.close()

    def _look(self, uid: str) -> Observation:
        with self._store.reading() as db:
            return guests.observation(guests.find(db, uid), uid)

    def _lives(self, uid: str, incarnation: str) -> bool:
        """Tell whether an incarnation has not ended; who cannot be asked any more shows no guest."""
        try:
            return self._look(uid).incarnation == incarnation
        except Problem:
            return False

    def _is(self, uid: str, incarnation: str, power: Power) -> bool:
        seen = self._look(uid)
        return seen.incarnation == incarnation and seen.power is power

    def _has(self, name: str) -> bool:
        with self._store.reading() as db:
            return volumes.exists(db, name)
