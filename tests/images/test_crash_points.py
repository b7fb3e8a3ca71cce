"""Whatever an import was about to do when it was killed, the next one finishes and nothing is left over."""

import gzip
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from domain.image import ImageFacts, ImageSource
from domain.problem import Problem
from images.cache import ImageCache
from tests.drivers.waiting import eventually
from tests.image_server import ImageServer
from tests.images import crashing
from tests.images.conftest import KEY, LOCAL, ignore
from tests.images.making import MIB, contents, raw_disk

LOG = logging.getLogger(__name__)
Crash = Callable[[Path, int], bool]


@contextmanager
def importer(url: str) -> Iterator[Crash]:
    """Yield a function that imports into a folder, dying at a point; it tells whether there was such a point."""
    command = [sys.executable, crashing.__file__, KEY, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asking, answering = process.stdin, process.stdout
        assert asking is not None
        assert answering is not None

        def crash(folder: Path, point: int) -> bool:
            asking.write(f"{folder} {point}\n")
            asking.flush()
            answer = answering.readline()
            assert answer in {"killed\n", "done\n"}
            return answer == "killed\n"

        yield crash
        asking.close()


def finished(cache: ImageCache, url: str) -> ImageFacts:
    """Import in this process, once the killed one's converter has let go of the lock."""

    def attempt() -> ImageFacts | None:
        try:
            return cache.ensure(KEY, ImageSource(url=url), policy=LOCAL, beat=ignore)
        except Problem as problem:
            assert problem.reason == "ImageBusy"  # noqa: PT017 - the only problem that may be met
            return None

    facts = eventually(attempt, within=60, what="the lock is free")
    assert facts is not None
    return facts


@pytest.mark.parametrize("kind", ["qcow2", "raw.gz"])
def test_killed_twice_at_any_point_an_import_is_finished_by_the_next(
    server: ImageServer, small_qcow2: bytes, tmp_path: Path, kind: str
) -> None:
    disk = raw_disk(2 * MIB, filled=MIB)  # what the small image shows
    body = small_qcow2 if kind == "qcow2" else gzip.compress(disk, compresslevel=1)
    url = server.serve(f"/a.{kind}", body)
    with importer(url) as crash:
        for point in count(1):
            folder = tmp_path / str(point)
            cache = ImageCache(folder)
            if not crash(folder, point):
                break
            believed = cache.lookup(KEY)
            crash(folder, point)
            facts = finished(cache, url)
            assert believed in (None, facts)
            assert cache.partials() == []
            assert facts.fetched >= len(body)
            assert contents(folder / f"{KEY}.qcow2", tmp_path) == disk
    LOG.info("%s: %d points", kind, point - 1)
    assert point > len(crashing.ACTS)
