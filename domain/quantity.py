"""Kubernetes quantities, as far as machines need them: whole bytes and whole CPUs.

Source: the Kubernetes API conventions, `resource.Quantity` (suffixes of decimal and binary SI).
"""

import re
from decimal import Decimal
from reprlib import repr as shortened

_SUFFIXES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
    "E": 10**18,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "Pi": 2**50,
    "Ei": 2**60,
}
_LIMIT = 2**63 - 1
"""The largest size Kubernetes, libvirt and QEMU can name: a signed 64-bit number of bytes."""
_QUANTITY = re.compile(r"(?P<number>\d{1,19}(?:\.\d{1,9})?)(?P<suffix>[A-Za-z]{0,2})", re.ASCII)


_AMOUNT = re.compile(
    r"(?P<number>\d{1,19}(?:\.\d{0,9})?|\.\d{1,9})(?:[eE](?P<exponent>[+-]?\d{1,2})|(?P<suffix>[A-Za-z]{0,2}))",
    re.ASCII,
)
_SCALES: dict[str, Decimal | int] = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), **_SUFFIXES}


def parse_amount(text: str | float) -> Decimal:
    """Return the number any Kubernetes quantity means: `500m`, `1e3`, `1.5Gi`; a ValueError tells what is wrong."""
    match = _AMOUNT.fullmatch(str(text))
    if match is None or (match["suffix"] or "") not in _SCALES:
        raise ValueError(f"{shortened(text)} is not a quantity; write for example 10, 500m or 8Gi")
    return Decimal(match["number"]).scaleb(int(match["exponent"] or 0)) * _SCALES[match["suffix"] or ""]


def parse_bytes(text: str | int) -> int:
    """Return the bytes a quantity such as `8Gi`, `500M` or 1024 means; a ValueError tells what is wrong with it."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match["suffix"] not in _SUFFIXES:
        raise ValueError(f"{shortened(text)} is not a quantity; write for example 512Mi or 8Gi")
    size = Decimal(match["number"]) * _SUFFIXES[match["suffix"]]
    if size != int(size) or not 0 < size <= _LIMIT:
        raise ValueError(f"{shortened(text)} is not a whole, positive number of bytes below 8Ei")
    return int(size)


def parse_cpus(text: str | int) -> int:
    """Return the whole CPUs that `2`, "2" or "2000m" mean; a guest cannot have a part of a virtual CPU."""
    match = re.fullmatch(r"(\d{1,6})(000m)?", str(text), re.ASCII)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{shortened(text)} is not a whole, positive number of CPUs")
    return int(match[1])


def format_bytes(size: float) -> str:
    """Return bytes for people, in binary units: `512 MiB`."""
    unit = "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024:  # noqa: PLR2004 - the step of binary units
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" or size == int(size) else f"{size:.1f} {unit}"
