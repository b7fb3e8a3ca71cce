"""VDI headers. Source: the header's description in QEMU's block/vdi.c."""

from images.refusal import corrupt, too_large, unsupported
from images.view import View

MAGIC = (0xBEDA107F).to_bytes(4, "little")
MAGIC_AT = 0x40

_VERSION = 0x00010001
_TYPES = (1, 2)
"""Dynamic and fixed; the others have a parent."""
_BLOCK = 2**20
_MAP_ENTRY = 4
_SECTOR = 512


def virtual_size(view: View, limit: int) -> int:
    """Return the bytes the guest sees; raise a terminal problem for an image that must not be converted."""
    version, _, kind = view.unpack("<III", 0x44)
    blocks_at, data_at = view.unpack("<II", 0x154)
    sector, _, size, block, _, blocks, allocated = view.unpack("<IIQIIII", 0x168)
    link, parent = view.unpack("<16s16s", 0x1A8)
    if version != _VERSION or kind not in _TYPES or any(link) or any(parent):
        raise unsupported("only VDI 1.1 images without a parent are taken; serve qcow2")
    if size > limit:
        raise too_large(f"the disk has {size} bytes; {limit} are allowed")
    fits = size and sector == _SECTOR and block == _BLOCK and size <= blocks * block and allocated <= blocks
    if not fits or blocks * block > size + _BLOCK or data_at % _SECTOR or blocks_at % _SECTOR:
        raise corrupt("the VDI header states an impossible geometry")
    view.check_inside("the block map", blocks_at, blocks * _MAP_ENTRY)
    return int(size)
