"""What lies in a hypervisor's folder, and how files come to be there: whole, synced and readable by QEMU.

    <directory>/images/<key>.qcow2          the image cache (images/ writes it)
    <directory>/volumes/<uid>.root.qcow2    root disk, a linked clone of a cached image
    <directory>/volumes/<uid>.seed.iso      NoCloud seed
    <directory>/volumes/<uid>.console.log   serial console since the latest power-on (.0, .1, … are its earlier parts)
    <directory>/volumes/<uid>.<any>.partial what is not whole yet

QEMU may run as a user of its own (`libvirt-qemu`), so folders can be entered and images read by everybody; root disks
belong to whoever libvirt gives them to.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.problem import Problem
from drivers.cache import partial_images

_PARTIAL = ".partial"
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_OURS = re.compile(rf"(?P<uid>{_UUID})\.\S+")
_FOLDER_MODE, _FILE_MODE = 0o755, 0o644
_ENTER = 0o001


class Layout:
    """The names below one hypervisor's folder. UIDs and image keys are single path components, or ValueError."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.images = self.directory / "images"
        self.volumes = self.directory / "volumes"

    def image(self, key: str) -> Path:
        """Return where an image is cached."""
        return self.images / f"{_component(key)}.qcow2"

    def disk(self, uid: str) -> Path:
        """Return a guest's root disk."""
        return self.volumes / f"{_component(uid)}.root.qcow2"

    def seed(self, uid: str) -> Path:
        """Return a guest's seed."""
        return self.volumes / f"{_component(uid)}.seed.iso"

    def console(self, uid: str) -> Path:
        """Return the log of a guest's serial console."""
        return self.volumes / f"{_component(uid)}.console.log"

    def partial(self, uid: str) -> Path:
        """Return a name nobody else uses, for a file of this guest that is not whole yet."""
        return self.volumes / f"{_component(uid)}.{secrets.token_hex(8)}{_PARTIAL}"

    def ensure_folders(self) -> None:
        """Make the folders unless they are there."""
        for folder in (self.directory, self.images, self.volumes):
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(_FOLDER_MODE)  # whatever the umask says

    def check_open(self) -> None:
        """See that another user can reach the folders. Raises Problem.terminal `FolderClosed`."""
        for folder in (self.volumes, self.images, *self.images.parents):
            if not folder.stat().st_mode & _ENTER:
                raise Problem.terminal(
                    "FolderClosed",
                    f"QEMU runs as a user of its own and cannot enter {folder}; chmod o+x it, or use another directory",
                    field=str(self.directory),
                )

    def files_of(self, uid: str) -> list[Path]:
        """Return everything that was made for a guest, whole or not."""
        return sorted(path for path in self._volumes() if path.name.startswith(f"{uid}."))

    def disks(self) -> Iterator[tuple[str, Path]]:
        """Yield every file that is a root disk or may become one, with its guest's UID."""
        for path in self._volumes():
            guest = _OURS.fullmatch(path.name)
            if guest and path.name.endswith((".root.qcow2", _PARTIAL)):
                yield guest["uid"], path

    def partials_of(self, uid: str) -> list[Path]:
        """Return what attempts for a guest left unfinished."""
        return [path for path in self.files_of(uid) if path.name.endswith(_PARTIAL)]

    def strays(self, uids: set[str]) -> list[str]:
        """Name, relative to the directory, what belongs to none of these guests, and everything partial."""
        volumes = [path for path in self._volumes() if _stray(path.name, uids)]
        return sorted([*(str(path.relative_to(self.directory)) for path in volumes), *partial_images(self.images)])

    def _volumes(self) -> Iterator[Path]:
        return self.volumes.iterdir() if self.volumes.is_dir() else iter(())


@contextmanager
def publishing(partial: Path, final: Path) -> Iterator[Path]:
    """Yield the partial file's name to write to; when the block ends well the file is whole, synced and final."""
    try:
        yield partial
        partial.chmod(_FILE_MODE)
        sync(partial)
        partial.replace(final)
        sync(final.parent)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Put a file's bytes, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stray(name: str, uids: set[str]) -> bool:
    ours = _OURS.fullmatch(name)
    return ours is not None and (ours["uid"] not in uids or name.endswith(_PARTIAL))


def _component(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z-]*", text, re.ASCII):
        raise ValueError(f"{text!r} cannot be part of a file name here")
    return text
