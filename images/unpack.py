"""Compressed images without their wrapper: streamed, sparse, and never more than the operator allows."""

import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from images.pulse import Pulse
from images.refusal import corrupt, too_large

_IN = 2**18
_OUT = 2**20
_XZ_MEMORY = 256 * 2**20
"""Bytes a dictionary may need; `xz -9` uses 65 MiB."""
_GZIP = 16 + zlib.MAX_WBITS
"""zlib's way of saying: a gzip header and trailer around it."""


class _Decoder(Protocol):
    """One compressed stream, as zlib and lzma both have it.

    eof:         the stream ended, its checksum is right.
    unused_data: bytes behind its end.
    hungry:      no output comes before more input does.
    """

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def hungry(self) -> bool: ...

    def feed(self, data: bytes) -> bytes:
        """Return at most `_OUT` bytes; input it had no room for stays inside."""


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return not self._inner.unconsumed_tail

    def feed(self, data: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, _OUT)


class _Xz:
    def __init__(self) -> None:
        self._inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return self._inner.needs_input

    def feed(self, data: bytes) -> bytes:
        return self._inner.decompress(data, _OUT)


_DECODERS: dict[str, Callable[[], _Decoder]] = {"gzip": _Gzip, "xz": _Xz}


def unpack(wrapper: str, packed: Path, target: Path, *, limit: int, pulse: Pulse) -> None:
    """Write what `packed` holds to `target`; blocks of zeros become holes.

    wrapper: `gzip` or `xz`; several streams one after the other are one image, zeros between and behind them nothing.
    Raises Problem.terminal `ImageTooLarge` beyond `limit` bytes, `ImageCorrupt` when the wrapper is damaged, ends
    early or has something else behind it.
    """
    pulse.begin("converting", total=packed.stat().st_size)
    size = 0
    with packed.open("rb") as source, target.open("wb") as sink:
        try:
            for block in _blocks(_DECODERS[wrapper], source):
                size += len(block)
                if size > limit:
                    raise too_large(f"the image unpacks to more than the {limit} bytes allowed")
                if block.count(0) < len(block):
                    sink.write(block)
                sink.seek(size)
                pulse.reach(source.tell())
        except (zlib.error, lzma.LZMAError):
            raise corrupt(f"the {wrapper} data is damaged") from None
        sink.truncate(size)


def _blocks(make: Callable[[], _Decoder], source: BinaryIO) -> Iterator[bytes]:
    while _skip_padding(source):
        decoder = make()
        while not decoder.eof:
            data = source.read(_IN) if decoder.hungry else b""
            block = decoder.feed(data)
            if not (data or block or decoder.eof) and decoder.hungry:
                raise corrupt("the compressed data ends early")
            yield block
        source.seek(-len(decoder.unused_data), os.SEEK_CUR)


def _skip_padding(source: BinaryIO) -> bool:
    """Move to the next byte that is not zero; tell whether there is one."""
    while block := source.read(_IN):
        if rest := block.lstrip(b"\0"):
            source.seek(-len(rest), os.SEEK_CUR)
            return True
    return False
