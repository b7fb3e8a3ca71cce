"""VMDK headers: sparse images that hold everything themselves (monolithicSparse, streamOptimized).

Source: VMware's Virtual Disk Format 1.1. A descriptor may name any file as an extent, so only an embedded descriptor
with one sparse extent, the file itself, passes; a header of capacity 0 makes readers follow the descriptor alone.
"""

import re

from images.refusal import corrupt, too_large, unsupported
from images.view import View

MAGIC = b"KDMV"

_HEADER = "<4sIIQQQQIQQQ"
_SECTOR = 512
_AT_END = 0xFFFFFFFFFFFFFFFF
_FOOTER_FROM_END = 1024
_MAX_DESCRIPTOR = 20 * _SECTOR
_MAX_GRAIN = 2**16
_GRAIN_TABLE = 512
_TYPES = frozenset({"monolithicSparse", "streamOptimized"})
_SETTING = re.compile(r'^\s*(?P<name>\w+)\s*=\s*"?(?P<value>[^"\r\n]*?)"?\s*$', re.ASCII | re.MULTILINE)
_EXTENT = re.compile(r"^\s*(?:RW|RDONLY|NOACCESS)\s+(?P<sectors>\d+)\s+(?P<kind>\w+)", re.ASCII | re.MULTILINE)


def virtual_size(view: View, limit: int) -> int:
    """Return the bytes the guest sees; raise a terminal problem for an image that must not be converted."""
    _, version, _, capacity, grain, descriptor, descriptor_size, per_table, _, directory, _ = view.unpack(_HEADER, 0)
    if not 1 <= version <= 3:  # noqa: PLR2004 - the versions of the format
        raise unsupported(f"VMDK version {version} is unknown; serve qcow2")
    if not capacity or not 0 < grain <= _MAX_GRAIN or per_table != _GRAIN_TABLE:
        raise corrupt("the VMDK header states an impossible geometry")
    if capacity * _SECTOR > limit:
        raise too_large(f"the disk has {capacity * _SECTOR} bytes; {limit} are allowed")
    if directory == _AT_END:
        _check_footer(view, capacity, descriptor)
    else:
        view.check_inside("the grain directory", directory * _SECTOR, -(-capacity // (grain * _GRAIN_TABLE)) * 4)
    _check_descriptor(view, descriptor * _SECTOR, descriptor_size * _SECTOR)
    return int(capacity) * _SECTOR


def _check_footer(view: View, capacity: int, descriptor: int) -> None:
    """A streamed image repeats its header at the end; readers believe that one, so it says the same."""
    footer = view.unpack(_HEADER, view.size - _FOOTER_FROM_END)
    if view.size % _SECTOR or footer[0] != MAGIC or (footer[3], footer[5]) != (capacity, descriptor):
        raise corrupt("header and footer of the VMDK image contradict each other")


def _check_descriptor(view: View, offset: int, size: int) -> None:
    if not offset or not 0 < size <= _MAX_DESCRIPTOR:
        raise unsupported("the VMDK image has no embedded descriptor; serve qcow2")
    view.check_inside("the descriptor", offset, size)
    text = view.read(offset, size).split(b"\0", 1)[0].decode("utf-8", errors="replace")
    settings = {match["name"].lower(): match["value"] for match in _SETTING.finditer(text)}
    if settings.get("createtype") not in _TYPES:
        raise unsupported("only monolithicSparse and streamOptimized VMDK images are taken; serve qcow2")
    if settings.get("parentcid", "").lower() != "ffffffff" or "parentfilenamehint" in settings:
        raise unsupported("the VMDK image has a parent; flatten it (qemu-img convert -O qcow2)")
    if [match["kind"] for match in _EXTENT.finditer(text)] != ["SPARSE"]:
        raise unsupported("the VMDK image names extents outside of itself; flatten it (qemu-img convert -O qcow2)")
