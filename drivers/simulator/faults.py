"""Faults: rules that make the simulator's calls fail, and the record of every time they did.

Rules lie in the state file, so a test that writes one reaches drivers in every process. A rule names a call of the
driver protocol (`ensure_running`) or one step inside it (`ensure_defined.disk`), and a moment: before the effect, or
after it and before the caller hears of it.
"""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from enum import StrEnum
from typing import NoReturn, assert_never

from domain.model import Value
from domain.problem import Problem, Verdict
from drivers.simulator.store import Store

_PACE = 0.05
"""Seconds between two looks whether a hanging call may go on."""


class Moment(StrEnum):
    """When a call is struck."""

    BEFORE = "before"
    AFTER = "after"


class Kind(StrEnum):
    """What happens to a call that is struck."""

    ERROR = "error"
    """It raises a Problem with the rule's reason and verdict."""
    LOST_REPLY = "lost-reply"
    """It takes effect and then raises `HypervisorUnreachable`, whatever the rule's moment."""
    HANG = "hang"
    """It blocks until the rule is withdrawn, the caller's beat raises or the driver is closed."""
    CRASH = "crash"
    """The process that called is killed (SIGKILL)."""
    WITNESS = "witness"
    """Nothing, but it is recorded: witnessing every call tells which steps a life consists of."""


class Fault(Value):
    """One rule. An empty `call` means every call and step, an empty `uid` every guest; `times` None means for ever."""

    call: str = ""
    uid: str = ""
    moment: Moment = Moment.BEFORE
    kind: Kind
    reason: str = "HypervisorUnreachable"
    verdict: Verdict = Verdict.RETRY
    times: int | None = 1


class Firing(Value):
    """One call that was struck; fault is the number of the rule, pid the process that called."""

    fault: int
    call: str
    uid: str
    moment: Moment
    pid: int


class Faults:
    """The rules of one state file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def inject(self, fault: Fault) -> int:
        """Add a rule; return its number."""
        moment = Moment.AFTER if fault.kind is Kind.LOST_REPLY else fault.moment
        with self._store.writing() as db:
            added = db.execute(
                "INSERT INTO faults (call, uid, moment, rule, times) VALUES (?, ?, ?, ?, ?)",
                (fault.call, fault.uid, moment, fault.model_dump_json(), fault.times),
            )
            return added.lastrowid or 0

    def withdraw(self, number: int) -> None:
        """Remove a rule; calls that hang by it go on."""
        with self._store.writing() as db:
            db.execute("DELETE FROM faults WHERE id = ?", (number,))

    def withdraw_all(self) -> None:
        """Remove every rule."""
        with self._store.writing() as db:
            db.execute("DELETE FROM faults")

    def firings(self, number: int | None = None) -> list[Firing]:
        """Return what was struck so far, in order: by one rule, or by any."""
        with self._store.reading() as db:
            rows = db.execute(
                "SELECT fault, call, uid, moment, pid FROM firings WHERE ?1 IS NULL OR fault = ?1 ORDER BY seq",
                (number,),
            ).fetchall()
        return [Firing.model_validate(dict(row)) for row in rows]

    def strike(self, call: str, uid: str, moment: Moment, beat: Callable[[], None]) -> None:
        """Let every rule that applies take hold of a call at a moment; an unreachable host takes hold of all.

        Raises the Problem of an error rule, `HypervisorUnreachable`, or what `beat` raises while the call hangs.
        """
        with self._store.reading() as db:
            if not db.execute("SELECT reachable FROM host").fetchone()["reachable"]:
                raise Problem.retry("HypervisorUnreachable", "the simulated host cannot be reached", field=call)
            rules = db.execute(
                "SELECT id, rule FROM faults WHERE moment = ? AND call IN ('', ?) AND uid IN ('', ?)"
                " AND (times IS NULL OR times > 0) ORDER BY id",
                (moment, call, uid),
            ).fetchall()
        for rule in rules:
            if self._fire(rule["id"], call, uid, moment):
                self._act(rule, call, beat)

    def _fire(self, number: int, call: str, uid: str, moment: Moment) -> bool:
        """Use a rule up by one and record it; return whether there was anything left of it."""
        with self._store.writing() as db:
            used = db.execute(
                "UPDATE faults SET times = times - 1 WHERE id = ? AND (times IS NULL OR times > 0)",
                (number,),
            )
            if used.rowcount:
                db.execute(
                    "INSERT INTO firings (fault, call, uid, moment, pid) VALUES (?, ?, ?, ?, ?)",
                    (number, call, uid, moment, os.getpid()),
                )
        return used.rowcount > 0

    def _act(self, row: sqlite3.Row, call: str, beat: Callable[[], None]) -> None:
        fault = Fault.model_validate_json(row["rule"])
        match fault.kind:
            case Kind.ERROR:
                raise Problem(fault.reason, "an injected fault", verdict=fault.verdict, field=call)
            case Kind.LOST_REPLY:
                raise Problem.retry("HypervisorUnreachable", "the reply was lost by an injected fault", field=call)
            case Kind.HANG:
                self._hang(row["id"], beat)
            case Kind.CRASH:
                _die()
            case Kind.WITNESS:
                pass
            case unknown:
                assert_never(unknown)

    def _hang(self, number: int, beat: Callable[[], None]) -> None:
        while self._stands(number):
            beat()
            time.sleep(_PACE)

    def _stands(self, number: int) -> bool:
        with self._store.reading() as db:
            return db.execute("SELECT 1 FROM faults WHERE id = ?", (number,)).fetchone() is not None


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
    raise AssertionError("a killed process does not go on")
