"""What a stranger's bytes are: format and virtual size, decided from the bytes before any other program sees them.

An image is exactly one thing. Bytes that carry the marks of two disk formats are refused, as is a file whose name
claims another format than its bytes have. Pure, over a `View`.
"""

from collections.abc import Callable
from pathlib import PurePosixPath

from domain.model import Value
from images import qcow2, vdi, vhd, vmdk
from images.refusal import corrupt, refused, too_large, unsupported
from images.view import View

SECTOR = 512

_Parser = Callable[[View, int], int]


class Shape(Value):
    """A judged image. format: `qcow2`, `raw`, `vmdk`, `vdi` or `vhd`; virtual_size: bytes the guest sees."""

    format: str
    virtual_size: int


_PARSERS: dict[str, _Parser] = {
    "qcow2": qcow2.virtual_size,
    "vmdk": vmdk.virtual_size,
    "vdi": vdi.virtual_size,
    "vhd": vhd.virtual_size,
}
_MARKS: tuple[tuple[str, int, bytes], ...] = (
    ("qcow2", 0, qcow2.MAGIC),
    ("vmdk", 0, vmdk.MAGIC),
    ("vdi", vdi.MAGIC_AT, vdi.MAGIC),
    ("vhd", 0, vhd.MAGIC),
    ("vhd", -SECTOR, vhd.MAGIC),
    ("VHDX", 0, b"vhdxfile"),
    ("VMDK descriptor", 0, b"# Disk Descriptor"),
    ("VMDK version 3", 0, b"COWD"),
    ("QED", 0, b"QED\0"),
    ("Parallels", 0, b"WithoutFreeSpace"),
    ("Parallels", 0, b"WithouFreSpacExt"),
    ("Bochs", 0, b"Bochs Virtual HD Image"),
    ("DMG", -SECTOR, b"koly"),
    ("LUKS", 0, b"LUKS\xba\xbe"),
    ("ISO 9660", 32769, b"CD001"),
    ("tar (or OVA)", 257, b"ustar"),
    ("zip", 0, b"PK\x03\x04"),
    ("7z", 0, b"7z\xbc\xaf\x27\x1c"),
    ("bzip2", 0, b"BZh"),
    ("zstd", 0, b"\x28\xb5\x2f\xfd"),
    ("lz4", 0, b"\x04\x22\x4d\x18"),
)
"""Format, offset (negative: from the end) and bytes of every mark that says: this is no raw disk."""
_BOOT_SIGNATURE = (510, b"\x55\xaa")
_RAW_MARKS = (_BOOT_SIGNATURE, (512, b"EFI PART"), (1080, b"\x53\xef"), (0, b"XFSB"), (0x10040, b"_BHRfS_M"))
"""MBR, GPT, ext2/3/4, XFS, btrfs: what makes a file without any other mark a raw disk."""
_WRAPPERS = {"gzip": b"\x1f\x8b\x08", "xz": b"\xfd7zXZ\0"}
_CLAIMS = {
    ".qcow2": "qcow2",
    ".raw": "raw",
    ".vmdk": "vmdk",
    ".vdi": "vdi",
    ".vhd": "vhd",
    ".gz": "gzip",
    ".xz": "xz",
}
"""What a name says about the bytes; other names (`.img`) say nothing."""


def wrapper(view: View) -> str:
    """Return the compression around an image, `gzip` or `xz`; empty for none."""
    return next((name for name, magic in _WRAPPERS.items() if view.has(0, magic)), "")


def inspect(view: View, limit: int) -> Shape:
    """Return what an uncompressed image is; `limit` is the most bytes its disk may have.

    Raises Problem.terminal `ImageFormatRefused` for what is not taken or not known, `ImageFormatMismatch` for bytes
    that are two formats at once, `ImageCorrupt` and `ImageTooLarge`.
    """
    found = list(dict.fromkeys(name for name, offset, magic in _MARKS if view.has(offset, magic)))
    if not found:
        return _raw(view, limit)
    if len(found) > 1:
        raise refused("ImageFormatMismatch", f"the image is {' and '.join(found)} at once; serve one format")
    (name,) = found
    parser = _PARSERS.get(name)
    if parser is None:
        raise unsupported(f"a {name} file is not taken; serve qcow2 or a raw disk, plain or compressed with gzip or xz")
    shape = Shape(format=name, virtual_size=parser(view, limit))
    if name != "vhd" and view.has(*_BOOT_SIGNATURE):
        # A fixed VHD is a raw disk with a footer; in every other format a boot signature is a second face.
        raise refused("ImageFormatMismatch", f"the image is {name} and a raw disk at once; serve one format")
    return shape


def check_claim(path: str, actual: str) -> str:
    """Compare what a URL's path claims with what the bytes are; return the path without that suffix.

    Raises Problem.terminal `ImageFormatMismatch`: a file called `.raw` that has a qcow2 header is somebody's trick.
    """
    name = PurePosixPath(path)
    claim = _CLAIMS.get(name.suffix.lower())
    if claim not in (None, actual):
        raise refused("ImageFormatMismatch", f"the URL says {claim}, the bytes say {actual}; correct one of them")
    return str(name.with_suffix("")) if claim else path


def _raw(view: View, limit: int) -> Shape:
    if not any(view.has(offset, magic) for offset, magic in _RAW_MARKS):
        raise unsupported("unknown format: neither an image format nor a disk with partitions or a file system")
    if view.size > limit:
        raise too_large(f"the disk has {view.size} bytes; {limit} are allowed")
    if view.size % SECTOR:
        raise corrupt("the raw disk does not end at a sector")
    return Shape(format="raw", virtual_size=view.size)
