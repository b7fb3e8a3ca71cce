"""VHD footers (Virtual PC). Source: Microsoft's Virtual Hard Disk Image Format Specification 1.0."""

from images.refusal import corrupt, too_large, unsupported
from images.view import View

MAGIC = b"conectix"

_FOOTER = ">8sIIQI4sIIQQHBBII"
_FOOTER_SIZE = 512
_CHECKSUM_AT = 64
_FIXED, _DYNAMIC = 2, 3
_SPARSE = ">8sQQII"
_SPARSE_MAGIC = b"cxsparse"
_MAX_TABLE = 32 * 2**20
_MIN_BLOCK = 512


def virtual_size(view: View, limit: int) -> int:
    """Return the bytes the footer states; raise a terminal problem for an image that must not be converted.

    QEMU may show a guest a little less: it rounds to cylinders for images of some makers.
    """
    at = view.size - _FOOTER_SIZE
    magic, _, _, structure, *_, size, _, _, _, kind, checksum = view.unpack(_FOOTER, at)
    if magic != MAGIC or not size or checksum != _checksum(view.read(at, _FOOTER_SIZE)):
        raise corrupt("the VHD footer is damaged")
    if kind not in (_FIXED, _DYNAMIC):
        raise unsupported("only fixed and dynamic VHD images are taken; flatten it (qemu-img convert -O qcow2)")
    if size > limit:
        raise too_large(f"the disk has {size} bytes; {limit} are allowed")
    if view.has(0, MAGIC) != (kind == _DYNAMIC):
        raise corrupt("header and footer of the VHD image contradict each other")
    if kind == _FIXED:
        view.check_inside("the disk", 0, size + _FOOTER_SIZE)
    else:
        _check_sparse(view, structure, size)
    return int(size)


def _checksum(footer: bytes) -> int:
    """Return the one's complement of the sum of all bytes but the checksum's own."""
    return ~(sum(footer) - sum(footer[_CHECKSUM_AT : _CHECKSUM_AT + 4])) & 0xFFFFFFFF


def _check_sparse(view: View, offset: int, size: int) -> None:
    """A dynamic image's header repeats the footer and its block table covers the disk."""
    if not view.has(0, view.read(view.size - _FOOTER_SIZE, _FOOTER_SIZE)):
        raise corrupt("header and footer of the VHD image contradict each other")
    magic, _, table, _, entries = view.unpack(_SPARSE, offset)
    (block,) = view.unpack(">I", offset + 32)
    if magic != _SPARSE_MAGIC or block < _MIN_BLOCK or entries * block < size or entries * 4 > _MAX_TABLE:
        raise corrupt("the VHD header states an impossible geometry")
    view.check_inside("the block table", table, entries * 4)
