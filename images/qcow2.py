"""qcow2 headers: which images may be cached.

Source: QEMU's docs/interop/qcow2.txt. A cached image is opened by QEMU as the backing file of every clone, so
nothing it says may lead to another file, and its tables must be as large as its disk needs and no larger.
"""

from typing import NamedTuple

from images.refusal import corrupt, too_large, unsupported
from images.view import View

MAGIC = b"QFI\xfb"

_V2 = ">4sIQIIQIIQQIIQ"
_V3 = ">QQQII"
_EXTENSION = ">II"
_EXTENSION_SIZE = 8
_V2_HEADER = 72
_VERSIONS = (2, 3)
_CLUSTER_BITS = range(9, 22)
_MAX_REFCOUNT_ORDER = 6
_ENTRY = 8
_WIDE_ENTRY = 16
"""Bytes of a level-2 entry; extended ones also say which parts of a cluster exist."""
_FLATTEN = "flatten it (qemu-img convert -O qcow2)"
_MIN_V3_HEADER = 104

_DIRTY, _CORRUPT, _EXTERNAL_DATA, _COMPRESSION, _EXTENDED_L2 = (1 << bit for bit in range(5))
_UNDERSTOOD = _COMPRESSION | _EXTENDED_L2
_REFUSED_EXTENSIONS = {0x44415441: "an external data file", 0x0537BE77: "encryption"}
_MAX_TABLE = 32 * 2**20
"""Bytes a level-1 table may have; QEMU's own limit."""


class _Header(NamedTuple):
    """The fields every version has, in the order of the file."""

    magic: bytes
    version: int
    backing_offset: int
    backing_length: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int

    @property
    def cluster(self) -> int:
        """Bytes of a cluster."""
        return 1 << self.cluster_bits


def virtual_size(view: View, limit: int) -> int:
    """Return the bytes the guest sees; raise a terminal problem for an image that must not be used."""
    header = _Header(*view.unpack(_V2, 0))
    if header.version not in _VERSIONS:
        raise unsupported(f"qcow2 version {header.version} is unknown; write version 3")
    if header.backing_offset or header.backing_length:
        raise unsupported(f"the image names a backing file; {_FLATTEN}")
    if header.encryption:
        raise unsupported("the image is encrypted; serve it without encryption")
    if header.snapshots:
        raise unsupported(f"the image carries internal snapshots; {_FLATTEN}")
    if header.size > limit:
        raise too_large(f"the disk has {header.size} bytes; {limit} are allowed")
    if header.cluster_bits not in _CLUSTER_BITS or not header.size:
        raise corrupt("the qcow2 header states an impossible geometry")
    features = 0
    header_length = _V2_HEADER
    if header.version != _VERSIONS[0]:
        features, header_length = _version_3(view, header.cluster)
    _check_extensions(view, header_length, header.cluster)
    _check_l1(view, header, entry=_WIDE_ENTRY if features & _EXTENDED_L2 else _ENTRY)
    _check_table(
        view, "the refcount table", header.refcount_offset, header.refcount_clusters * header.cluster, header.cluster
    )
    return header.size


def _version_3(view: View, cluster: int) -> tuple[int, int]:
    """Check the fields version 3 adds; return the incompatible features and the header's length."""
    incompatible, _, _, refcount_order, length = view.unpack(_V3, _V2_HEADER)
    if incompatible & _EXTERNAL_DATA:
        raise unsupported(f"the image keeps its data in an external file; {_FLATTEN}")
    if incompatible & (_DIRTY | _CORRUPT):
        raise corrupt("the image was not closed cleanly; repair it (qemu-img check -r all)")
    if incompatible & ~_UNDERSTOOD:
        raise unsupported(f"the image needs qcow2 features nobody knows ({incompatible:#x})")
    if refcount_order > _MAX_REFCOUNT_ORDER or not _MIN_V3_HEADER <= length <= cluster:
        raise corrupt("the qcow2 header states impossible sizes")
    return incompatible, length


def _check_extensions(view: View, offset: int, cluster: int) -> None:
    while offset + _EXTENSION_SIZE <= cluster:
        kind, length = view.unpack(_EXTENSION, offset)
        if kind == 0:
            return
        if kind in _REFUSED_EXTENSIONS:
            raise unsupported(f"the image uses {_REFUSED_EXTENSIONS[kind]}; {_FLATTEN}")
        offset += _EXTENSION_SIZE + (length + 7) // 8 * 8
    raise corrupt("the qcow2 header extensions do not end")


def _check_l1(view: View, header: _Header, *, entry: int) -> None:
    """Check that the level-1 table is neither too short for the disk nor absurdly long."""
    covered = header.cluster * (header.cluster // entry)
    if header.l1_entries < -(-header.size // covered):
        raise corrupt("the qcow2 level-1 table does not cover the disk")
    _check_table(view, "the level-1 table", header.l1_offset, header.l1_entries * _ENTRY, header.cluster)


def _check_table(view: View, what: str, offset: int, length: int, cluster: int) -> None:
    if not offset or offset % cluster or not 0 < length <= _MAX_TABLE:
        raise corrupt(f"{what} of the qcow2 image is misplaced")
    view.check_inside(what, offset, length)
