"""SIGKILL at any moment leaves an import that the next attempt finishes, and never a second writer."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from images.cache import ImageCache
from images.download import CHUNK
from tests.drivers.waiting import eventually
from tests.image_server import ImageServer
from tests.images import importer
from tests.images.conftest import KEY, Ensure, Refuse
from tests.images.making import MIB, contents, raw_disk

LOG = logging.getLogger(__name__)


@pytest.fixture
def converter(tmp_path: Path) -> Path:
    """Where a program that stands in for qemu-img may be put."""
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin" / "qemu-img"


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@contextmanager
def importing(folder: Path, url: str, *, path: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run an importer as a process of its own; it is gone at the end."""
    command = [sys.executable, importer.__file__, str(folder), KEY, url]
    environment = os.environ | ({"PATH": f"{path}:{os.environ['PATH']}"} if path else {})
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_after(count: int, server: ImageServer, folder: Path, url: str) -> None:
    """Run an importer and SIGKILL it when the server has sent it `count` bytes, whatever it is doing then."""
    server.rate = 24 * MIB
    before = server.bytes_served
    with importing(folder, url) as process:
        eventually(lambda: server.bytes_served - before >= count, within=60, what=f"{count} bytes are served")
        process.kill()
        process.wait()
    server.rate = None


def test_a_kill_in_mid_download_costs_at_most_one_chunk(
    server: ImageServer, ensure: Ensure, folder: Path, cache: ImageCache, large_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", large_qcow2)
    kill_after(11 * MIB, server, folder, url)
    assert cache.lookup(KEY) is None
    facts = ensure(url)
    twice = server.bytes_served - len(large_qcow2)
    LOG.info("1 kill, %d bytes, %d served, %d twice", len(large_qcow2), server.bytes_served, twice)
    assert 0 < twice <= CHUNK
    assert len(large_qcow2) <= facts.fetched <= server.bytes_served
    assert (folder / f"{KEY}.qcow2").read_bytes() == large_qcow2
    assert cache.partials() == []


def test_every_further_kill_costs_at_most_one_chunk_more(
    server: ImageServer, ensure: Ensure, folder: Path, large_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", large_qcow2)
    marks = (2 * MIB, 3 * MIB, 7 * MIB, 5 * MIB)
    for mark in marks:
        kill_after(mark, server, folder, url)
    ensure(url)
    twice = server.bytes_served - len(large_qcow2)
    LOG.info("%d kills, %d bytes, %d served, %d twice", len(marks), len(large_qcow2), server.bytes_served, twice)
    assert twice <= len(marks) * CHUNK
    assert (folder / f"{KEY}.qcow2").read_bytes() == large_qcow2


def test_a_kill_before_publication_costs_no_byte(
    server: ImageServer, ensure: Ensure, folder: Path, cache: ImageCache, large_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", large_qcow2)
    with importing(folder, url) as process:
        assert process.stdout is not None
        assert any(line.startswith("publishing") for line in process.stdout)
    ensure(url)
    assert cache.partials() == []
    assert server.bytes_served == len(large_qcow2)


def test_a_kill_in_mid_conversion_takes_the_converter_along_and_the_next_import_finishes(
    server: ImageServer, ensure: Ensure, folder: Path, cache: ImageCache, tmp_path: Path, converter: Path
) -> None:
    disk = raw_disk(4 * MIB, filled=2 * MIB)
    url = server.serve("/a.raw", disk)
    write_program(converter, 'test "$1" != convert || kill -STOP $$; exec /usr/bin/qemu-img "$@"')
    with importing(folder, url, path=converter.parent) as process:
        child = eventually(lambda: _converter(process.pid), within=60, what="the converter runs")
        process.kill()
        process.wait()
    eventually(lambda: not _is_alive(child), within=30, what="the converter goes with its parent")
    assert cache.lookup(KEY) is None
    ensure(url)
    assert contents(folder / f"{KEY}.qcow2", tmp_path) == disk
    assert cache.partials() == []
    assert server.bytes_served == len(disk)


def test_a_converter_that_outlives_its_killed_importer_keeps_the_next_one_out(
    server: ImageServer, ensure: Ensure, fails: Refuse, folder: Path, converter: Path
) -> None:
    url = server.serve("/a.raw", raw_disk())
    write_program(converter, 'test "$1" != convert || exec setpriv --pdeathsig clear sleep 600; exec qemu-img "$@"')
    with importing(folder, url, path=converter.parent) as process:
        orphan = eventually(lambda: _child(process.pid, "sleep"), within=60, what="the converter runs")
        process.kill()
        process.wait()
    try:
        assert _is_alive(orphan)
        assert fails(url).reason == "ImageBusy"
    finally:
        os.kill(orphan, signal.SIGKILL)
    eventually(lambda: not _is_alive(orphan), within=30, what="the converter is gone")
    ensure(url)


def test_an_importer_that_runs_keeps_others_out_and_a_killed_one_does_not(
    server: ImageServer, ensure: Ensure, fails: Refuse, folder: Path, large_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", large_qcow2)
    server.rate = 2 * MIB
    with importing(folder, url) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert fails(url).reason == "ImageBusy"
        process.kill()
        process.wait()
        server.rate = None
        ensure(url)


def _converter(parent: int) -> int:
    return _child(parent, "convert")


def _child(parent: int, word: str) -> int:
    """Return the id of a process's child that has a word in its command line, 0 while there is none (proc(5))."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next((int(child) for child in children if word in _command(child) and "prlimit" not in _command(child)), 0)


def _is_alive(process: int) -> bool:
    """Tell whether a process still runs, and so may hold files: a zombie has closed them (proc(5), state)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _command(process: str) -> list[str]:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
