"""One attempt at completing a partial file.

The order that makes SIGKILL harmless: bytes are written, then synced, then the cursor that speaks of them is published.
Whatever the moment, the cursor tells the truth about the file, and less than `CHUNK` bytes lie beyond it.
"""

import os
import re
import shutil
from hashlib import sha256
from time import monotonic
from typing import Self

import httpx

from domain.model import Value
from images import cursor as cursors
from images.cursor import Cursor
from images.http import Reply, get, refusal
from images.layout import Files, sync
from images.policy import FetchPolicy
from images.pulse import Pulse
from images.refusal import no_space, passing, refused, too_large

CHUNK = 8 * 2**20
"""Bytes: the most that is fetched twice after a kill."""
_STEP = CHUNK // 2
"""Bytes between two syncs; the other half of a chunk is for what sockets hold at the moment of a kill."""
_PAUSE = 2.0
"""Seconds between two syncs at most, so that a slow download shows progress and loses little."""
_BLOCK = 2**20

_OK = 200
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)", re.ASCII)


class Fetched(Value):
    """A complete source: digest in hex, bytes it has, bytes received for it in all attempts."""

    sha256: str
    size: int
    fetched: int


class Download:
    """The partial file and its cursor, open for one attempt. A context manager."""

    def __init__(self, files: Files, url: httpx.URL, *, pinned: bool, policy: FetchPolicy, pulse: Pulse) -> None:
        self._files = files
        self._url = url
        self._pinned = pinned
        self._policy = policy
        self._pulse = pulse
        self._cursor = cursors.load(files)
        self._digest = sha256()
        self._offset = 0
        self._synced_at = monotonic()
        self._descriptor = os.open(files.partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def complete(self) -> Fetched:
        """Fetch what is missing and return what the whole is.

        Raises the problems of `images.http`; Problem.retry `ImageTruncated`; Problem.terminal `ImageTooLarge`;
        Problem.wait `NoSpace`. What was received stays for the next attempt.
        """
        self._read_again()
        if not self._cursor.whole:
            self._fetch(resume=bool(self._offset and self._cursor.validator))
        return Fetched(sha256=self._digest.hexdigest(), size=self._offset, fetched=self._cursor.fetched)

    def _read_again(self) -> None:
        """Take in the bytes up to the cursor (the digest needs them) and cut off the rest."""
        self._pulse.begin("verifying", total=self._cursor.offset)
        while self._offset < self._cursor.offset:
            block = os.pread(self._descriptor, min(_BLOCK, self._cursor.offset - self._offset), self._offset)
            self._digest.update(block)
            self._offset += len(block)
            self._pulse.reach(self._offset)
        os.ftruncate(self._descriptor, self._offset)
        cursors.store(self._files, self._cursor)

    def _fetch(self, *, resume: bool) -> None:
        wanted = {"Range": f"bytes={self._offset}-", "If-Range": self._cursor.validator} if resume else {}
        with get(self._url, wanted, policy=self._policy, pinned=self._pinned, pulse=self._pulse) as reply:
            if resume and reply.status == _PARTIAL_CONTENT and self._continues(reply):
                return self._receive(reply)
            if reply.status == _OK:
                self._start_over(reply)
                return self._receive(reply)
            if not (resume and reply.status in {_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE}):
                raise refusal(reply)
        return self._fetch(resume=False)

    def _continues(self, reply: Reply) -> bool:
        """Tell whether a partial answer is the rest of the very bytes that are here already."""
        match = _CONTENT_RANGE.fullmatch(reply.headers.get("content-range", ""))
        if match is None:
            return False
        start, total = int(match[1]), int(match[2])
        same_version = (reply.headers.get("etag", ""), reply.headers.get("last-modified", "")) == (
            self._cursor.etag,
            self._cursor.last_modified,
        )
        same_bytes = (start, total) == (self._offset, self._cursor.total or total)
        return same_version and same_bytes and _length(reply) in range(1, total - start + 1)

    def _start_over(self, reply: Reply) -> None:
        """Forget the bytes here, and take up the version the server has now.

        The file is cut before the cursor is published: a cursor that speaks of more than there is counts as none.
        """
        self._digest, self._offset = sha256(), 0
        os.ftruncate(self._descriptor, 0)
        self._cursor = Cursor(
            total=_length(reply),
            etag=reply.headers.get("etag", ""),
            last_modified=reply.headers.get("last-modified", ""),
            fetched=self._cursor.fetched,
        )
        cursors.store(self._files, self._cursor)
        if not (self._cursor.total or self._pinned or "transfer-encoding" in reply.headers):
            raise refused("ImageForbidden", "the server does not say how long the image is; pin a checksum")

    def _receive(self, reply: Reply) -> None:
        total = self._cursor.total
        if total > self._policy.max_bytes:
            raise too_large(f"the image has {total} bytes; {self._policy.max_bytes} are allowed")
        if total - self._offset > shutil.disk_usage(self._files.folder).free:
            raise no_space(str(self._files.folder))
        self._pulse.begin("downloading", done=self._offset, total=total)
        self._synced_at = monotonic()
        try:
            for block in reply.blocks():
                self._append(block)
        finally:
            self._sync()
        if total and self._offset < total:
            raise passing("ImageTruncated", f"the server sent {self._offset} of {total} bytes; the rest is asked for")
        self._publish(whole=True, total=self._offset)

    def _append(self, block: bytes) -> None:
        if self._offset + len(block) > self._policy.max_bytes:
            raise too_large(f"the image has more than the {self._policy.max_bytes} bytes allowed")
        if self._offset + len(block) - self._cursor.offset > _STEP or monotonic() - self._synced_at > _PAUSE:
            self._sync()
        rest = memoryview(block)
        while rest:
            rest = rest[os.pwrite(self._descriptor, rest, self._offset + len(block) - len(rest)) :]
        self._digest.update(block)
        self._offset += len(block)
        self._pulse.move(len(block))

    def _sync(self) -> None:
        sync(self._descriptor)
        self._publish(offset=self._offset, fetched=self._cursor.fetched + self._offset - self._cursor.offset)
        self._synced_at = monotonic()
        self._pulse.reach(self._offset)

    def _publish(self, **change: object) -> None:
        self._cursor = self._cursor.model_copy(update=change)
        cursors.store(self._files, self._cursor)


def _length(reply: Reply) -> int:
    """Return the Content-Length, 0 when there is none (h11 has checked that it is a number)."""
    return int(reply.headers.get("content-length", "0"))
