"""The driver protocol, told to the simulator.

Every call is a few steps. A step is one transaction with a name (`ensure_defined.disk`), and between steps a worker may
die: what the earlier ones left is found and adopted by the next attempt. Steps that have nothing to do are skipped, so
the steps of a clean life are the same every time; `STEPS` lists them all.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.guest import GuestPlan, Observation, StopCause
from domain.hypervisor import HypervisorFacts, SimulatorSpec
from domain.problem import Problem
from drivers.base import Beat, Change
from drivers.cache import partial_images
from drivers.simulator import guests, journal, volumes
from drivers.simulator.console import console
from drivers.simulator.faults import Faults, Moment
from drivers.simulator.store import Store

STEPS = (
    "ensure_defined.partial",
    "ensure_defined.disk",
    "ensure_defined.seed",
    "ensure_defined.domain",
    "ensure_running.start",
    "ensure_stopped.ask",
    "ensure_stopped.power_off",
    "ensure_removed.power_off",
    "ensure_removed.domain",
    "ensure_removed.disk",
    "ensure_removed.seed",
    "ensure_removed.partial",
)
"""Every step that changes something, in the order of a life. Each is a place for faults, as is every call."""
VERSION = "1"
_PACE = 0.05
"""Seconds between two looks at a guest that is shutting down."""
_ASK_AGAIN = 0.25
"""Seconds between two requests to shut down."""


class SimulatorDriver:
    """One simulated hypervisor: the folder `spec.directory`. Safe for many threads, and many processes at once."""

    def __init__(self, spec: SimulatorSpec) -> None:
        self._spec = spec
        self._store = Store(Path(spec.directory))
        self._faults = Faults(self._store)

    @property
    def images(self) -> Path:
        """Folder of the image cache."""
        return Path(self._spec.directory) / "images"

    def prepare(self) -> HypervisorFacts:
        """Make the folder and the state file unless they are there."""
        self._store.create()
        with self._call("prepare"):
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
        with self._call("observe", uid):
            return self._look(uid)

    def inventory(self) -> list[Observation]:
        """Report every guest, without what it tells itself."""
        with self._call("inventory"):
            with self._store.reading() as db:
                rows = guests.everything(db)
            return [guests.observation(row, row["uid"], ask=False) for row in rows]

    def ensure_defined(self, plan: GuestPlan, *, fresh: bool) -> Observation:
        """Make the root disk, the seed and the domain, each unless it is there."""
        with self._call("ensure_defined", plan.uid):
            self._define(plan, fresh=fresh)
            return self._look(plan.uid)

    def ensure_running(self, plan: GuestPlan, *, fresh: bool) -> Observation:
        """Define, then power on unless there is an incarnation."""
        with self._call("ensure_running", plan.uid):
            self._define(plan, fresh=fresh)
            if not self._look(plan.uid).alive:
                with self._step("ensure_running.start", plan.uid) as db:
                    started = guests.power_on(db, plan.uid, self._spec.boot_seconds)
                if not started:
                    raise Problem.retry(
                        "DomainVanished", "the domain was removed while it was started", field=plan.owner
                    )
            return self._look(plan.uid)

    def ensure_stopped(self, uid: str, *, incarnation: str, grace: float, beat: Beat) -> Observation:
        """Ask the guest until it is off or its grace is over, then power it off."""
        with self._call("ensure_stopped", uid, beat):
            patience = time.monotonic() + grace
            ask_next = 0.0
            while True:
                seen = self._look(uid)
                if not seen.alive or seen.incarnation != incarnation:
                    return seen
                now = time.monotonic()
                if now >= patience:
                    with self._step("ensure_stopped.power_off", uid, beat) as db:
                        guests.end(db, uid, StopCause.HOST, incarnation=incarnation)
                    continue
                beat()
                if now >= ask_next:
                    ask_next = now + _ASK_AGAIN
                    with self._step("ensure_stopped.ask", uid, beat) as db:
                        guests.ask_to_shut_down(db, uid, self._spec.shutdown_seconds)
                else:
                    time.sleep(min(_PACE, patience - now))

    def ensure_removed(self, uid: str) -> None:
        """Power off, forget the domain, then delete its volumes: what is left in between is named by `leftovers`."""
        with self._call("ensure_removed", uid):
            with self._store.reading() as db:
                row = guests.find(db, uid)
            if guests.alive(row, time.time()):
                with self._step("ensure_removed.power_off", uid) as db:
                    guests.end(db, uid, StopCause.HOST)
            if row is not None:
                with self._step("ensure_removed.domain", uid) as db:
                    guests.undefine(db, uid)
            for step, name in (
                ("ensure_removed.disk", volumes.root(uid)),
                ("ensure_removed.seed", volumes.seed(uid)),
                ("ensure_removed.partial", volumes.partial(uid)),
            ):
                if self._has(name):
                    with self._step(step, uid) as db:
                        volumes.delete(db, name)

    def console(self, uid: str, *, limit: int) -> bytes:
        """Return the end of what the guest printed by now."""
        with self._call("console", uid):
            with self._store.reading() as db:
                row = guests.find(db, uid)
            text = b"" if row is None else console(row)
            return text[max(0, len(text) - limit) :]

    def changes(self, stop: threading.Event) -> Iterator[Change]:
        """Yield what the journal says, in every process, as it falls due."""
        with self._call("changes"):
            yield from journal.follow(self._store, stop)

    def clones(self, image: str) -> list[str]:
        """Ask the root disks, and those on their way to be one."""
        with self._call("clones"), self._store.reading() as db:
            return volumes.leaning_on(db, image)

    def leftovers(self) -> list[str]:
        """Name the volumes without a domain and everything partial."""
        with self._call("leftovers"), self._store.reading() as db:
            return volumes.orphans(db) + partial_images(self.images)

    def close(self) -> None:
        """Close the state file; guests go on by the clock."""
        self._store.close()

    def _define(self, plan: GuestPlan, *, fresh: bool) -> None:
        if not self._has(volumes.root(plan.uid)):
            self._make_disk(plan, fresh=fresh)
        with self._store.reading() as db:
            seeded = volumes.read(db, volumes.seed(plan.uid)) == volumes.seed_body(plan)
            defined = guests.plan(db, plan.uid) == plan.model_dump_json()
        if not seeded:
            with self._step("ensure_defined.seed", plan.uid) as db:
                volumes.write(db, plan.uid, volumes.seed(plan.uid), "seed", volumes.seed_body(plan))
        if not defined:
            with self._step("ensure_defined.domain", plan.uid) as db:
                guests.define(db, plan)

    def _make_disk(self, plan: GuestPlan, *, fresh: bool) -> None:
        if not fresh:
            raise Problem.terminal(
                "RootDiskMissing",
                "its root disk is gone and is not replaced by an empty one; restore the disk or delete the machine",
                field=plan.owner,
            )
        volumes.check_image(self.images, plan)
        with self._step("ensure_defined.partial", plan.uid) as db:
            volumes.write(db, plan.uid, volumes.partial(plan.uid), "partial", volumes.disk_body(plan))
        with self._step("ensure_defined.disk", plan.uid) as db:
            volumes.check_image(self.images, plan)  # it may have gone; from here on `clones` names this disk
            volumes.publish(db, plan.uid)

    def _look(self, uid: str) -> Observation:
        with self._store.reading() as db:
            return guests.observation(guests.find(db, uid), uid)

    def _has(self, name: str) -> bool:
        with self._store.reading() as db:
            return volumes.exists(db, name)

    @contextmanager
    def _call(self, name: str, uid: str = "", beat: Beat = lambda: None) -> Iterator[None]:
        """Run a call of the protocol between the faults that strike it before and after."""
        self._faults.strike(name, uid, Moment.BEFORE, beat)
        yield
        self._faults.strike(name, uid, Moment.AFTER, beat)

    @contextmanager
    def _step(self, name: str, uid: str, beat: Beat = lambda: None) -> Iterator[sqlite3.Connection]:
        """Run one step in a transaction of its own, between the faults that strike it before and after."""
        with self._call(name, uid, beat), self._store.writing() as db:
            yield db
