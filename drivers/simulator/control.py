"""What an operator, or a test, does to a simulated host without going through its driver."""

import json
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from domain.guest import GuestPlan, StopCause
from drivers.simulator import guests, volumes
from drivers.simulator.faults import Faults
from drivers.simulator.store import Store


class Control:
    """The back door of one simulated host, whichever processes drive it meanwhile. Makes the host if there is none.

    What is done to a guest that is not in the state it needs is a LookupError.
    """

    def __init__(self, directory: Path | str) -> None:
        self._store = Store(Path(directory))
        self._store.create()
        self.faults = Faults(self._store)

    def close(self) -> None:
        """Let go of the state file."""
        self._store.close()

    # What happens inside a guest, or to its process

    def power_off_from_inside(self, uid: str) -> None:
        """Let the guest shut itself down, as `poweroff` typed inside it does."""
        self._to_guest(uid, lambda db: guests.end(db, uid, StopCause.GUEST))

    def reboot(self, uid: str) -> None:
        """Let the guest reboot itself: the same incarnation boots once more."""
        self._to_guest(uid, lambda db: guests.reboot(db, uid))

    def panic(self, uid: str) -> None:
        """Let the guest's kernel panic, which ends its incarnation."""
        self._to_guest(uid, lambda db: guests.end(db, uid, StopCause.CRASHED))

    def kill_process(self, uid: str) -> None:
        """Kill the hypervisor's process that runs the guest."""
        self._to_guest(uid, lambda db: guests.end(db, uid, StopCause.FAILED))

    def pause(self, uid: str) -> None:
        """Freeze the guest; it hears nothing until `resume`."""
        self._to_guest(uid, lambda db: guests.pause(db, uid, paused=True))

    def resume(self, uid: str) -> None:
        """Let a frozen guest go on."""
        self._to_guest(uid, lambda db: guests.pause(db, uid, paused=False))

    def undefine_behind_our_back(self, uid: str) -> None:
        """Destroy and forget the domain; its volumes stay."""
        self._to_guest(uid, lambda db: guests.undefine(db, uid))

    def make_stubborn(self, uid: str, *, stubborn: bool = True) -> None:
        """Let a defined guest ignore every request to shut down, over all its incarnations."""
        self._to_guest(
            uid,
            lambda db: db.execute("UPDATE guests SET stubborn = ? WHERE uid = ?", (stubborn, uid)).rowcount > 0,
        )

    # What happens to the host

    def unreachable(self, cut: bool) -> None:  # noqa: FBT001 - reads as what it says: unreachable(True)
        """Cut the host off, or let it be reached again; its guests go on meanwhile and listeners lose connection."""
        with self._store.writing() as db:
            db.execute("UPDATE host SET reachable = ?, epoch = epoch + ?", (not cut, cut))

    def host_reboot(self) -> None:
        """Reboot the host: every guest is off, nobody knows why, and listeners lose their connection."""
        with self._store.writing() as db:
            guests.lose_power(db)
            db.execute("UPDATE host SET epoch = epoch + 1")

    # What lies in the storage pool

    def disk(self, uid: str) -> dict[str, Any]:
        """Return the root disk: `image`, `size` and `content`, which is another for every disk; empty when missing."""
        with self._store.reading() as db:
            body: dict[str, Any] = json.loads(volumes.read(db, volumes.root(uid)) or "{}")
        return body

    def write_disk(self, uid: str) -> None:
        """Change the content of the root disk, as a guest that writes does."""
        body = json.dumps({**self.disk(uid), "content": uuid.uuid4().hex})
        with self._store.writing() as db:
            volumes.write(db, uid, volumes.root(uid), "root", body)

    def lose_disk(self, uid: str) -> None:
        """Delete the root disk."""
        with self._store.writing() as db:
            volumes.delete(db, volumes.root(uid))

    def seed(self, uid: str) -> dict[str, Any]:
        """Return the seed: `user_data` and `hostname`; empty when missing."""
        with self._store.reading() as db:
            body: dict[str, Any] = json.loads(volumes.read(db, volumes.seed(uid)) or "{}")
        return body

    def plan(self, uid: str) -> GuestPlan:
        """Return the plan a domain was defined by."""
        with self._store.reading() as db:
            text = guests.plan(db, uid)
        if not text:
            raise LookupError(f"there is no guest {uid}")
        return GuestPlan.model_validate_json(text)

    def _to_guest(self, uid: str, act: Callable[[sqlite3.Connection], bool]) -> None:
        with self._store.writing() as db:
            done = act(db)
        if not done:
            raise LookupError(f"guest {uid} is not there, or not in a state in which this can happen to it")
