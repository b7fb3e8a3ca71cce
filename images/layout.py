"""What lies in an image cache: one row of file names per image."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

SUFFIXES = (".qcow2", ".json", ".lock", ".leaving", ".partial", ".cursor", ".unpacked", ".converting", ".new")
"""How every name an import makes ends."""
_KEY = re.compile(r"[0-9a-z][0-9a-z-]{0,62}", re.ASCII)


class Files:
    """The files of one image. Only `image` and `facts` together mean anything to others; the rest is an import's own.

    lock:       held by the one importer.
    partial:    bytes as served, true up to the cursor's offset.
    cursor:     how far `partial` is synced, and which version of the source it is.
    unpacked:   a compressed source without its wrapper.
    converting: output of a conversion.
    leaving:    the image while it is asked whether anything leans on it.
    """

    def __init__(self, folder: Path, key: str) -> None:
        """Take the folder and a key; a ValueError if the key could lead out of the folder."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not an image key; use image_key()")
        self.folder = folder.absolute()
        self.key = key
        self.image = self.folder / f"{key}.qcow2"
        self.facts = self.folder / f"{key}.json"
        self.lock = self.folder / f"{key}.lock"
        self.partial = self.folder / f"{key}.partial"
        self.cursor = self.folder / f"{key}.cursor"
        self.unpacked = self.folder / f"{key}.unpacked"
        self.converting = self.folder / f"{key}.converting"
        self.leaving = self.folder / f"{key}.leaving"
        self._scratch = (self.unpacked, self.converting, fresh(self.facts), fresh(self.cursor))
        self._resumable = (self.partial, self.cursor)

    def published(self) -> bool:
        """Tell whether anything lies here under a final name."""
        return self.image.exists() or self.leaving.exists() or self.facts.exists()

    def unfinished(self) -> bool:
        """Tell whether an import runs, or left anything it made on the way."""
        return any(path.exists() for path in (*self._scratch, *self._resumable, self.lock))

    def discard_scratch(self) -> None:
        """Remove what cannot be resumed."""
        _unlink(self._scratch)

    def discard_partials(self) -> None:
        """Remove everything an import made on the way."""
        _unlink((*self._scratch, *self._resumable))

    def discard_published(self) -> None:
        """Remove the image and its facts."""
        _unlink((self.image, self.leaving, self.facts))

    def set_aside(self) -> None:
        """Take the image away from under its name, so that nobody starts to lean on it."""
        if self.image.exists():
            self.image.rename(self.leaving)

    def put_back(self) -> None:
        """Undo `set_aside`, by whoever it was done."""
        if self.leaving.exists() and not self.image.exists():
            self.leaving.rename(self.image)


def fresh(path: Path) -> Path:
    """Return the name a small file has until it is whole."""
    return path.with_name(f"{path.name}.new")


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that readers see the old or the new text, never a part."""
    new = fresh(path)
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        sync(file.fileno())
    new.rename(path)


def sync(descriptor: int) -> None:
    """Put a file's bytes, and what is needed to read them back, on the disk."""
    os.fdatasync(descriptor)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk: a rename is durable only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
