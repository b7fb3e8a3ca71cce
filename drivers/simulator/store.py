"""The simulator's state file: connections, transactions, creation.

Several processes and many threads use one file. A connection serves one thread at a time and is handed on when its user
is done, so there are never more of them than calls at once.
"""

import os
import sqlite3
import tempfile
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from domain.problem import Problem
from drivers.simulator.schema import SCHEMA, VERSION

_PATIENCE = 60.0
"""Seconds a writer waits for writers of other processes before it calls the file unusable."""


class Store:
    """One state file, `<directory>/simulator.db`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "simulator.db"
        self.closed = False
        self._idle: deque[sqlite3.Connection] = deque()
        self._turn = threading.Lock()

    def create(self) -> None:
        """Make the file unless it is there: whole under a name of its own, then linked to its final name."""
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="simulator.", suffix=".partial", dir=self.path.parent)
        os.close(handle)
        try:
            with closing(sqlite3.connect(name, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(SCHEMA)
                db.execute(f"PRAGMA user_version = {VERSION}")
                db.execute("INSERT INTO host (uuid) VALUES (?)", (str(uuid.uuid4()),))
            with suppress(FileExistsError):  # another process was first; its file serves both
                os.link(name, self.path)
        finally:
            Path(name).unlink()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hand out a connection outside any transaction.

        Raises Problem.retry `HypervisorUnreachable` when the file cannot be used, and Problem.terminal
        `StateVersionMismatch` when another version of the simulator made it.
        """
        try:
            db = self._take()
            try:
                yield db
            finally:
                self._give_back(db)
        except sqlite3.Error as error:
            raise Problem.retry(
                "HypervisorUnreachable",
                f"the simulator's state cannot be used ({error}); prepare the hypervisor or look at the file",
                field=str(self.path),
            ) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hand out a connection inside a transaction that is committed at the end of the block, or undone if it raises.

        Writers of this process queue here, because SQLite makes those who find the file locked sleep and try again.
        """
        with self.reading() as db, self._turn:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def close(self) -> None:
        """Close every connection; one that is in use is closed when its user is done."""
        self.closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _take(self) -> sqlite3.Connection:
        if self.closed:
            raise Problem.retry("HypervisorUnreachable", "this driver was closed; open another", field=str(self.path))
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _give_back(self, db: sqlite3.Connection) -> None:
        self._idle.append(db)
        if self.closed:
            self.close()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",  # a missing file is an error, never a new empty one
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        db.row_factory = sqlite3.Row
        # Commits survive the death of any process; only a power loss may undo the latest ones.
        db.execute("PRAGMA synchronous = NORMAL")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            db.close()
            raise Problem.terminal(
                "StateVersionMismatch",
                f"the state has version {version} and this simulator keeps version {VERSION}; give it another folder",
                field=str(self.path),
            )
        return db
