"""One import: from a URL to a published file, under the lock of its image."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx

from domain.image import ImageFacts, ImageSource
from domain.problem import Problem, Verdict
from images.checksum import parse_checksum, verify
from images.download import Download, Fetched
from images.inspect import Shape, check_claim, inspect, wrapper
from images.layout import Files, replace_text, sync_folder
from images.policy import FetchPolicy
from images.pulse import Pulse
from images.qemu_img import QemuImg
from images.refusal import corrupt, no_space
from images.source import parse_source
from images.unpack import unpack
from images.view import View

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READABLE = 0o644
_T = TypeVar("_T")


class Wanted:
    """A source that may be asked for: its URL and the digest it must have (empty: any).

    Raises Problem.terminal `InvalidSource`, `InvalidChecksum`, `ChecksumRequired`.
    """

    def __init__(self, source: ImageSource, policy: FetchPolicy) -> None:
        self.url: httpx.URL = parse_source(source.url)
        self.sha256 = parse_checksum(source.checksum, required=policy.require_checksum)


def _look(path: Path, judge: Callable[[View], _T]) -> _T:
    """Return what `judge` says of a file's bytes."""
    with path.open("rb") as file:
        return judge(View.of_file(file.fileno()))


class Import:
    """Brings one image into the cache. The caller holds the image's lock; `lock` is its descriptor."""

    def __init__(self, files: Files, wanted: Wanted, *, policy: FetchPolicy, pulse: Pulse, lock: int) -> None:
        self._files = files
        self._wanted = wanted
        self._policy = policy
        self._pulse = pulse
        self._qemu = QemuImg(lock=lock, limit=policy.max_output_bytes, seconds=int(policy.deadline) + 1, pulse=pulse)

    def run(self) -> ImageFacts:
        """Return the facts of the published image.

        After a retryable problem, an interruption or a kill only the download remains, to be resumed. After any other
        problem nothing remains: no later attempt could use it, and a full disk needs the room.
        """
        try:
            return self._run()
        except Problem as problem:
            if problem.verdict is not Verdict.RETRY:
                self._files.discard_partials()
            raise
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._files.discard_partials()
            raise no_space(str(self._files.folder)) from error
        finally:
            self._files.discard_scratch()

    def _run(self) -> ImageFacts:
        self._files.discard_scratch()
        self._files.discard_published()
        fetched = self._fetch()
        image, shape = self._judge()
        if shape.format != "qcow2":
            self._qemu.convert(image, shape.format, self._files.converting, size=shape.virtual_size)
            image = self._files.converting
        size = self._qemu.check(image)
        if shape.format == "qcow2" and size != shape.virtual_size:
            raise corrupt("the image shows another size than its header states")
        return self._publish(image, fetched, shape.model_copy(update={"virtual_size": size}))

    def _fetch(self) -> Fetched:
        pinned = bool(self._wanted.sha256)
        with Download(self._files, self._wanted.url, pinned=pinned, policy=self._policy, pulse=self._pulse) as download:
            fetched = download.complete()
        verify(self._wanted.sha256, fetched.sha256)
        return fetched

    def _judge(self) -> tuple[Path, Shape]:
        """Return the file that holds the image, out of its wrapper if it had one, and what it is."""
        path, image = self._wanted.url.path, self._files.partial
        packing = _look(image, wrapper)
        if packing:
            path = check_claim(path, packing)
            unpack(packing, image, self._files.unpacked, limit=self._policy.max_output_bytes, pulse=self._pulse)
            image = self._files.unpacked
        shape = _look(image, lambda view: inspect(view, self._policy.max_virtual_size))
        check_claim(path, shape.format)
        return image, shape

    def _publish(self, image: Path, fetched: Fetched, shape: Shape) -> ImageFacts:
        """Give the image its name. The facts come first: alone they mean nothing, and after the rename all is there."""
        self._pulse.begin("publishing", done=fetched.size, total=fetched.size)
        descriptor = os.open(image, os.O_RDONLY)
        try:
            os.fchmod(descriptor, _READABLE)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        facts = ImageFacts(
            key=self._files.key,
            sha256=fetched.sha256,
            format=shape.format,
            virtual_size=shape.virtual_size,
            size=image.stat().st_size,
            fetched=fetched.fetched,
        )
        replace_text(self._files.facts, facts.model_dump_json())
        image.rename(self._files.image)
        sync_folder(self._files.folder)
        self._files.discard_partials()
        return facts
