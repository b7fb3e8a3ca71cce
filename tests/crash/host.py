"""What lies on a simulated host, read from its state file without asking any driver."""

import sqlite3
from pathlib import Path
from typing import Any

from domain.guest import Observation
from drivers.cache import partial_images
from drivers.simulator import guests, volumes

Row = dict[str, Any]

_BY_UID = (
    "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c ON c.name = 'uid' WHERE m.type = 'table'"
)
_RECORDS = {"journal", "firings", "faults"}
"""Tables that tell what happened or is to happen; the others hold what is there."""


class Host:
    """The state file of one simulated host; a context manager."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._db = sqlite3.connect(f"{(directory / 'simulator.db').as_uri()}?mode=ro", uri=True, timeout=60)
        self._db.row_factory = sqlite3.Row

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def things(self, uid: str) -> dict[str, list[Row]]:
        """Return everything that is kept for a guest, by table; whatever tables there are."""
        found = {table: self._ask(f"SELECT * FROM {table} WHERE uid = ?", uid) for table in self._tables()}
        return {table: rows for table, rows in found.items() if rows}

    def strangers(self, uid: str) -> list[str]:
        """Name the guests for which anything is kept, but one."""
        rows = [row for table in self._tables() for row in self._ask(f"SELECT uid FROM {table} WHERE uid <> ?", uid)]
        return sorted({row["uid"] for row in rows})

    def happened(self, uid: str, what: str) -> int:
        """Return how often something happened to a guest: it was `started`, `stopped`, `rebooted`."""
        (row,) = self._ask("SELECT count(*) AS n FROM journal WHERE uid = ? AND what = ?", uid, what)
        return int(row["n"])

    def images(self) -> list[str]:
        """Return the keys of the images in the cache."""
        return sorted(path.stem for path in (self._directory / "images").glob("*.qcow2"))

    def leftovers(self) -> list[str]:
        """Name what belongs to nobody, as the driver does."""
        return volumes.orphans(self._db) + partial_images(self._directory / "images")

    def observe(self, uid: str) -> Observation:
        """Return what a hypervisor that can be reached would say about a guest."""
        return guests.observation(guests.find(self._db, uid), uid)

    def _tables(self) -> list[str]:
        return [row["name"] for row in self._ask(_BY_UID) if row["name"] not in _RECORDS]

    def _ask(self, query: str, *values: str) -> list[Row]:
        return [dict(row) for row in self._db.execute(query, values)]
