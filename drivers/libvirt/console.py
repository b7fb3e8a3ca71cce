"""The serial console's log, which QEMU begins anew at each power-on.

Where virtlogd writes it, it is cut into files of limited size: the newest has the plain name, `.0` is the one before,
`.1` the one before that. Older ones are dropped, so a guest that prints without end fills no disk.
"""

from itertools import chain, count
from pathlib import Path


def read_tail(log: Path, limit: int) -> bytes:
    """Return the last `limit` bytes; empty when there is no log."""
    text = b""
    for path in chain([log], (log.with_name(f"{log.name}.{number}") for number in count())):
        missing = limit - len(text)
        piece = _tail(path, missing) if missing > 0 else b""
        if not piece and path != log:  # the newest may be empty just after it was begun
            break
        text = piece + text
    return text


def _tail(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            return file.read(limit)
    except FileNotFoundError:
        return b""
