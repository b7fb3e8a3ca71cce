"""One builder per guest, across threads and processes of one machine.

A guest's lock is one byte of the folder's lock file, at a place its UID gives. The kernel lets go of it when the holder
dies, so a killed worker never keeps the next one out, and no lock outlives its guest as a file. Locks of open file
descriptions (fcntl(2), F_OFD_SETLK) are used because those of processes would not keep two threads apart.
"""

import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from domain.problem import Problem

_F_OFD_SETLK = 37
"""From <fcntl.h>; Python names it since 3.12."""
_FLOCK = struct.Struct("hhqqi4x")
"""struct flock of 64-bit Linux: type, whence, start, length, pid."""
_PLACES = 2**62
_PACE, _PATIENCE = 0.02, 30.0
"""Seconds between two tries, and until the other builder counts as stuck."""


@contextmanager
def building(folder: Path, uid: str) -> Iterator[None]:
    """Hold a guest's lock. Raises Problem.retry `GuestBusy` when another holds it for long."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        place = int.from_bytes(sha256(uid.encode()).digest()) % _PLACES
        over = time.monotonic() + _PATIENCE
        while not _taken(descriptor, place):
            if time.monotonic() >= over:
                raise Problem.retry(
                    "GuestBusy",
                    f"another worker has been building or removing it for {_PATIENCE:g} s; it is tried again",
                    field=uid,
                )
            time.sleep(_PACE)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int, place: int) -> bool:
    try:
        fcntl.fcntl(descriptor, _F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0))
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return False
        raise
    return True
