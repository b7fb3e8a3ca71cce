"""What lies on a simulated host, read from its state file without asking any driver."""

import sqlite3
from contextlib import closing
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
    """The state file of one simulated host."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "simulator.db"

    def things(self, uid: str) -> dict[str, list[Row]]:
        """Return everything that is kept for a guest, by table; whatever tables there are."""
        tables = [row["name"] for row in self._ask(_BY_UID) if row["name"] not in _RECORDS]
        found = {table: self._ask(f"SELECT * FROM {table} WHERE uid = ?", uid) for table in tables}
        return {table: rows for table, rows in found.items() if rows}

    def strangers(self, uid: str) -> list[str]:
        """Name the guests for which anything is kept, but one."""
        tables = [row["name"] for row in self._ask(_BY_UID) if row["name"] not in _RECORDS]
        rows = [row for table in tables for row in self._ask(f"SELECT uid FROM {table} WHERE uid <> ?", uid)]
        return sorted({row["uid"] for row in rows})

    def happened(self, uid: str, what: str) -> int:
        """Return how often something happened to a guest: it was `started`, `stopped`, `rebooted`."""
        (row,) = self._ask("SELECT count(*) AS n FROM journal WHERE uid = ? AND what = ?", uid, what)
        return int(row["n"])

    def images(self) -> list[str]:
        """Return the keys of the images in the cache."""
        return sorted(path.stem for path in (self._path.parent / "images").glob("*.qcow2"))

    def leftovers(self) -> list[str]:
        """Name what belongs to nobody, as the driver does."""
        with closing(self._connect()) as db:
            return volumes.orphans(db) + partial_images(self._path.parent / "images")

    def observe(self, uid: str) -> Observation:
        """Return what a hypervisor that can be reached would say about a guest."""
        with closing(self._connect()) as db:
            return guests.observation(guests.find(db, uid), uid)

    def _ask(self, query: str, *values: str) -> list[Row]:
        with closing(self._connect()) as db:
            return [dict(row) for row in db.execute(query, values)]

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=60)
        db.row_factory = sqlite3.Row
        return db
