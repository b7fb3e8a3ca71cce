"""Root disks, seeds and partial files: the simulator's storage pool."""

import json
import sqlite3
import struct
import uuid
from pathlib import Path

from domain.guest import GuestPlan
from domain.problem import Problem
from domain.quantity import format_bytes

_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4s20xQ")
"""The first 32 bytes of a qcow2 file: magic, …, virtual size (QEMU's docs/interop/qcow2.txt)."""


def root(uid: str) -> str:
    """Return the name of a guest's root disk."""
    return f"{uid}.root.qcow2"


def seed(uid: str) -> str:
    """Return the name of a guest's seed."""
    return f"{uid}.seed.iso"


def partial(uid: str) -> str:
    """Return the name a root disk has until it is whole."""
    return f"{root(uid)}.partial"


def exists(db: sqlite3.Connection, name: str) -> bool:
    """Return whether a volume is in the pool."""
    return db.execute("SELECT 1 FROM volumes WHERE name = ?", (name,)).fetchone() is not None


def read(db: sqlite3.Connection, name: str) -> str:
    """Return what a volume holds; empty when it is not there."""
    row = db.execute("SELECT body FROM volumes WHERE name = ?", (name,)).fetchone()
    return row["body"] if row else ""


def write(db: sqlite3.Connection, uid: str, name: str, kind: str, body: str) -> None:
    """Put a volume into the pool, over one of the same name."""
    db.execute("INSERT OR REPLACE INTO volumes (name, uid, kind, body) VALUES (?, ?, ?, ?)", (name, uid, kind, body))


def publish(db: sqlite3.Connection, uid: str) -> None:
    """Give a root disk its final name unless an attempt at the same time did; what is partial goes either way."""
    db.execute("UPDATE OR IGNORE volumes SET name = ?, kind = 'root' WHERE name = ?", (root(uid), partial(uid)))
    delete(db, partial(uid))


def disk_size(db: sqlite3.Connection, uid: str) -> int:
    """Return the bytes of a guest's root disk; 0 when it is not there."""
    return int(json.loads(read(db, root(uid)) or "{}").get("size", 0))


def grow(db: sqlite3.Connection, uid: str, size: int) -> None:
    """Make a guest's root disk larger; one that is as large already, or is not there, is left as it is."""
    db.execute(
        "UPDATE volumes SET body = json_set(body, '$.size', :size)"
        " WHERE name = :name AND json_extract(body, '$.size') < :size",
        {"name": root(uid), "size": size},
    )


def delete(db: sqlite3.Connection, name: str) -> None:
    """Take a volume out of the pool."""
    db.execute("DELETE FROM volumes WHERE name = ?", (name,))


def orphans(db: sqlite3.Connection) -> list[str]:
    """Name every volume that belongs to no defined domain; what is partial belongs to none."""
    rows = db.execute(
        "SELECT name FROM volumes WHERE kind = 'partial'"
        " OR NOT EXISTS (SELECT 1 FROM guests WHERE guests.uid = volumes.uid) ORDER BY name",
    )
    return [row["name"] for row in rows]


def leaning_on(db: sqlite3.Connection, image: str) -> list[str]:
    """Return the UIDs of the root disks, whole or partial, that are linked clones of an image."""
    rows = db.execute(
        "SELECT DISTINCT uid FROM volumes WHERE kind IN ('root', 'partial') AND json_extract(body, '$.image') = ?"
        " ORDER BY uid",
        (image,),
    )
    return [row["uid"] for row in rows]


def disk_body(plan: GuestPlan) -> str:
    """Return what a new root disk holds: its backing image, its size and a mark that tells it from any other disk."""
    return json.dumps({"image": plan.image, "size": plan.disk, "content": uuid.uuid4().hex})


def seed_body(plan: GuestPlan) -> str:
    """Return what a seed holds."""
    return json.dumps({"user_data": plan.user_data, "hostname": plan.hostname})


def check_image(images: Path, plan: GuestPlan) -> None:
    """See that the root disk can be a linked clone of the cached image.

    Raises Problem.wait `ImageMissing`, Problem.terminal `ImageCorrupt` or `DiskTooSmall`.
    """
    try:
        with (images / f"{plan.image}.qcow2").open("rb") as file:
            header = file.read(_HEADER.size)
    except FileNotFoundError as error:
        raise Problem.wait(
            "ImageMissing",
            f"image {plan.image} is not in this hypervisor's cache; it must be imported first",
            field=plan.owner,
        ) from error
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise Problem.terminal("ImageCorrupt", f"cached image {plan.image} is not a qcow2 file", field=plan.owner)
    _, size = _HEADER.unpack(header)
    if plan.disk < size:
        raise Problem.terminal(
            "DiskTooSmall",
            f"the disk has {format_bytes(plan.disk)} and its image needs {format_bytes(size)}; ask for a larger disk",
            field=plan.owner,
        )
