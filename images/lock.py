"""One importer per image, across threads and processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from images.refusal import passing


@contextmanager
def only_one(path: Path) -> Iterator[int]:
    """Hold the lock file at `path`; yield its descriptor; remove the file at the end.

    The kernel lets go of the lock when the last process that has the descriptor dies. A program that writes for the
    importer inherits the descriptor, so even one that outlives a killed importer keeps the next importer out.
    Raises Problem.retry `ImageBusy` at once when somebody else holds it.
    """
    descriptor = _acquire(path)
    try:
        yield descriptor
    finally:
        # Unlinked while still held: whoever opened this file meanwhile finds, once it gets the lock, that the name is
        # gone, and takes a new file.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise passing("ImageBusy", "another import of this image is running; its result will serve both") from None
        if _is_current(descriptor, path):
            return descriptor
        os.close(descriptor)


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
