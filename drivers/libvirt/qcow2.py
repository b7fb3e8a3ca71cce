"""The header of a qcow2 file, as far as a linked clone needs it.

Source: QEMU's docs/interop/qcow2.txt.
"""

import struct
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct(">4sIQIIQ")
"""Magic, version, offset and length of the backing file's name, cluster bits, virtual size in bytes."""
_CLUSTER = 65536
"""The first cluster, as this driver makes files, holds the header and the backing file's name."""
_MAGIC = b"QFI\xfb"


_SECTOR = 512


class Header(NamedTuple):
    """What a qcow2 file says of itself: the bytes a guest sees, and the file it leans on (empty for none)."""

    virtual_size: int
    backing_file: str


def whole(size: int) -> int:
    """Return the size of a disk that holds so many bytes: disks consist of whole sectors."""
    return -(-size // _SECTOR) * _SECTOR


def virtual_size(path: Path) -> int:
    """Return the bytes a guest sees; QEMU writes it at once when it resizes a disk. Raises as `read_header` does."""
    with path.open("rb") as file:
        start = file.read(_HEADER.size)
    if len(start) < _HEADER.size or not start.startswith(_MAGIC):
        raise ValueError(f"{path.name} is not a qcow2 file")
    size: int = _HEADER.unpack(start)[-1]
    return size


def read_header(path: Path) -> Header:
    """Return a file's header; ValueError when it is not qcow2, FileNotFoundError when it is not there."""
    with path.open("rb") as file:
        start = file.read(_CLUSTER)
    if len(start) < _HEADER.size or not start.startswith(_MAGIC):
        raise ValueError(f"{path.name} is not a qcow2 file")
    _, _, at, length, _, size = _HEADER.unpack_from(start)
    return Header(virtual_size=size, backing_file=start[at : at + length].decode() if at else "")
