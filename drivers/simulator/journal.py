"""The journal: what changed and when it falls due, and the loop that turns it into hints.

Nothing runs on behalf of a guest. Whoever changes one writes down at once what follows by the clock (its agent will
connect, it will be off), and every listener reads the entries and waits for their hour.
"""

import heapq
import sqlite3
import threading
import time
from collections.abc import Iterator

from domain.problem import Problem
from drivers.base import Change
from drivers.simulator.store import Store

POLL = 0.1
"""Seconds between two looks whether anybody wrote; a look costs some ten microseconds."""
_KEPT = 50_000
"""Entries kept for slow listeners; who falls further behind is told to look at everything."""
_TRIM = 4096
"""Entries between two trimmings."""

Entry = tuple[float, int, str, str]
"""When it falls due, its number, the guest, what happens."""


def note(db: sqlite3.Connection, uid: str, what: str, due: float) -> None:
    """Write down, inside the transaction that causes it, that something happens to a guest at a moment."""
    number = db.execute("INSERT INTO journal (uid, what, due) VALUES (?, ?, ?)", (uid, what, due)).lastrowid or 0
    if number % _TRIM == 0:
        db.execute("DELETE FROM journal WHERE seq <= ? AND due < ?", (number - _KEPT, time.time()))


def follow(store: Store, stop: threading.Event) -> Iterator[Change]:
    """Yield hints until `stop` is set: one about everything first, then each entry when it falls due.

    Raises Problem.retry `HypervisorUnreachable` when the host cannot be reached or was rebooted meanwhile.
    """
    with store.reading() as db:
        epoch = _epoch(db)
        last = db.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()[0]
        ahead = [_entry(row) for row in db.execute("SELECT * FROM journal WHERE due > ?", (time.time(),))]
        heapq.heapify(ahead)
        yield Change(uid="", what="connected")
        version = -1
        while not stop.wait(_pause(ahead)):
            if store.closed:
                raise _broken("this driver was closed")
            version, before = db.execute("PRAGMA data_version").fetchone()[0], version
            if version != before:
                if _epoch(db) != epoch:
                    raise _broken("the connection to the host broke")
                last, trimmed = _read(db, last, ahead)
                if trimmed:
                    yield Change(uid="", what="trimmed")
            while ahead and ahead[0][0] <= time.time():
                _, _, uid, what = heapq.heappop(ahead)
                yield Change(uid=uid, what=what)


def _epoch(db: sqlite3.Connection) -> int:
    """Return the host's epoch; a host that cannot be reached has none."""
    host = db.execute("SELECT reachable, epoch FROM host").fetchone()
    if not host["reachable"]:
        raise _broken("the host cannot be reached")
    return int(host["epoch"])


def _read(db: sqlite3.Connection, last: int, ahead: list[Entry]) -> tuple[int, bool]:
    """Add the entries after `last`; return the newest number and whether some were trimmed before they were read."""
    trimmed = False
    for row in db.execute("SELECT * FROM journal WHERE seq > ? ORDER BY seq", (last,)):
        trimmed = trimmed or row["seq"] != last + 1
        last = row["seq"]
        heapq.heappush(ahead, _entry(row))
    return last, trimmed


def _entry(row: sqlite3.Row) -> Entry:
    return row["due"], row["seq"], row["uid"], row["what"]


def _pause(ahead: list[Entry]) -> float:
    """Return the seconds until the next look: until the next entry falls due, but no longer than a poll."""
    return min(POLL, max(0.0, ahead[0][0] - time.time())) if ahead else POLL


def _broken(why: str) -> Problem:
    return Problem.retry("HypervisorUnreachable", f"{why}; listen again", field="simulator")
