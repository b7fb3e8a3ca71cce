"""Steps: what a call of the simulator's driver consists of, and where faults strike.

A step is one transaction with a name (`ensure_defined.disk`), and between steps a worker may die: what the earlier ones
left is found and adopted by the next attempt. Steps that have nothing to do are skipped, so the steps of a clean life
are the same every time.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.base import Beat
from drivers.simulator.faults import Faults, Moment
from drivers.simulator.store import Store

STEPS = (
    "ensure_defined.partial",
    "ensure_defined.disk",
    "ensure_defined.seed",
    "ensure_defined.domain",
    "ensure_running.start",
    "ensure_paused.pause",
    "ensure_resumed.resume",
    "ensure_rebooted.reboot",
    "ensure_fitted.memory",
    "ensure_fitted.cpus",
    "ensure_fitted.disk",
    "ensure_fitted.ports",
    "ensure_stopped.ask",
    "ensure_stopped.power_off",
    "ensure_defined.grow",
    "ensure_removed.power_off",
    "ensure_removed.domain",
    "ensure_removed.disk",
    "ensure_removed.seed",
    "ensure_removed.partial",
)
"""Every step that changes something, in the order of a life. Each is a place for faults, as is every call."""


class Steps:
    """Runs the calls and steps of one simulated host."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    @contextmanager
    def call(self, name: str, uid: str = "", beat: Beat = lambda: None) -> Iterator[None]:
        """Run a call of the protocol between the faults that strike it before and after."""
        self._faults.strike(name, uid, Moment.BEFORE, beat)
        yield
        self._faults.strike(name, uid, Moment.AFTER, beat)

    @contextmanager
    def step(self, name: str, uid: str, beat: Beat = lambda: None) -> Iterator[sqlite3.Connection]:
        """Run one step in a transaction of its own, between the faults that strike it before and after."""
        with self.call(name, uid, beat), self._store.writing() as db:
            yield db
