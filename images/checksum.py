"""The checksum a manifest pins: `sha256:<64 hex digits>` of the bytes as served."""

import re

from domain.problem import Problem
from images.refusal import CHECKSUM

_PINNED = re.compile(r"sha256:([0-9a-fA-F]{64})", re.ASCII)


def parse_checksum(text: str, *, required: bool = False) -> str:
    """Return the digest in lower-case hex, or an empty string when nothing is pinned.

    Raises Problem.terminal `InvalidChecksum` for any other text, `ChecksumRequired` when there must be one.
    """
    if not text and required:
        raise Problem.terminal("ChecksumRequired", "pin the image: write sha256:<64 hex digits>", field=CHECKSUM)
    if not text:
        return ""
    match = _PINNED.fullmatch(text)
    if match is None:
        raise Problem.terminal("InvalidChecksum", "write sha256: and 64 hex digits", field=CHECKSUM)
    return match[1].lower()


def verify(pinned: str, actual: str) -> None:
    """Raise Problem.terminal `ChecksumMismatch` unless `actual` is what was pinned (empty pins nothing)."""
    if pinned and pinned != actual:
        raise Problem.terminal(
            "ChecksumMismatch",
            f"the server's bytes have sha256:{actual}, the manifest pins sha256:{pinned}; correct one of them",
            field=CHECKSUM,
        )
