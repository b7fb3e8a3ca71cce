"""Bytes of an image, read where they are needed and never beyond."""

import os
import struct
from collections.abc import Callable
from typing import Any

from images.refusal import corrupt


class View:
    """A file of `size` bytes; `read(offset, length)` returns what there is of a range."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._read = read

    @classmethod
    def of_bytes(cls, data: bytes) -> "View":
        """Return a view of bytes in memory."""
        return cls(len(data), lambda offset, length: data[offset : offset + length])

    @classmethod
    def of_file(cls, descriptor: int) -> "View":
        """Return a view of an open file; it stays open as long as the view is used."""
        return cls(os.fstat(descriptor).st_size, lambda offset, length: os.pread(descriptor, length, offset))

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes of a range that exist; none for a range outside of the file."""
        return self._read(offset, length) if 0 <= offset < self.size else b""

    def has(self, offset: int, magic: bytes) -> bool:
        """Tell whether the file has these bytes there; a negative offset counts from the end."""
        return self.read(offset + self.size if offset < 0 else offset, len(magic)) == magic

    def unpack(self, layout: str, offset: int) -> tuple[Any, ...]:
        """Return the fields of a header; raise Problem.terminal `ImageCorrupt` when the file ends inside it."""
        data = self.read(offset, struct.calcsize(layout))
        try:
            return struct.unpack(layout, data)
        except struct.error:
            raise corrupt("the image ends in the middle of a header") from None

    def check_inside(self, what: str, offset: int, length: int) -> None:
        """Raise Problem.terminal `ImageCorrupt` unless a range lies within the file."""
        if offset + length > self.size:
            raise corrupt(f"{what} lies outside of the image")
