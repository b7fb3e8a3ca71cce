"""Images in other formats become qcow2, by a qemu-img that has limits and is told every format."""

import json
import os
from pathlib import Path

import pytest

from domain.image import ImportProgress
from domain.problem import Verdict
from images.cache import ImageCache
from tests.image_server import ImageServer
from tests.images.conftest import KEY, LOCAL, Ensure, Refuse
from tests.images.making import MIB, contents, info, made, patched, raw_disk

REAL = "/usr/bin/qemu-img"


class Stand:
    """A program that stands in for qemu-img and writes down how it was called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self._program = folder / "qemu-img"
        self._log = folder / "log"
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def does(self, script: str) -> None:
        self._program.write_text(f'#!/bin/sh\necho "$@ : $(ulimit -v) $(ulimit -f)" >> {self._log}\n{script}\n')
        self._program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self._log.read_text().splitlines()


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    stand = Stand(tmp_path / "stand", monkeypatch)
    stand.does(f'exec {REAL} "$@"')
    return stand


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("vmdk", ""),
        ("vmdk", "subformat=streamOptimized"),
        ("vdi", ""),
        ("vpc", "force_size=on"),
        ("vpc", "subformat=fixed"),
    ],
)
def test_an_image_in_another_format_is_converted(
    server: ImageServer, ensure: Ensure, folder: Path, tmp_path: Path, form: str, options: str
) -> None:
    disk = raw_disk(4 * MIB, filled=MIB)
    image = made(tmp_path, form, disk, *(["-o", options] if options else []))
    facts = ensure(server.serve("/a", image))
    shown = contents(folder / f"{KEY}.qcow2", tmp_path)
    assert shown[: len(disk)] == disk
    assert not any(shown[len(disk) :])
    assert facts.virtual_size == len(shown)
    assert facts.format == ("vhd" if form == "vpc" else form)
    assert facts.size == (folder / f"{KEY}.qcow2").stat().st_size


def test_a_raw_disk_is_converted_and_its_zeros_take_no_room(
    server: ImageServer, ensure: Ensure, folder: Path, tmp_path: Path
) -> None:
    disk = raw_disk(32 * MIB, filled=MIB)
    facts = ensure(server.serve("/a.raw", disk))
    assert contents(folder / f"{KEY}.qcow2", tmp_path) == disk
    assert facts.size < 3 * MIB
    assert info(folder / f"{KEY}.qcow2")["format"] == "qcow2"


def test_04_a_raw_disk_that_holds_a_qcow2_header_further_on_stays_raw(
    server: ImageServer, ensure: Ensure, folder: Path, tmp_path: Path, small_qcow2: bytes
) -> None:
    disk = raw_disk(MIB) + small_qcow2
    ensure(server.serve("/a.raw", disk))
    assert contents(folder / f"{KEY}.qcow2", tmp_path) == disk


def test_04_qemu_img_is_told_every_format_and_has_limits(server: ImageServer, ensure: Ensure, stand: Stand) -> None:
    ensure(server.serve("/a.raw", raw_disk()))
    assert [call.split()[0] for call in stand.calls] == ["convert", "check", "info"]
    for call in stand.calls:
        assert " -f " in call
        memory, size = call.rpartition(":")[2].split()
        assert int(memory) == 2 * MIB  # KiB
        assert int(size) * 512 == LOCAL.max_output_bytes


def test_fault_12_a_corrupt_qcow2_image_is_refused(server: ImageServer, refuses: Refuse, small_qcow2: bytes) -> None:
    # The level-1 table's first entry points to a level-2 table far outside of the file.
    level_1 = int.from_bytes(small_qcow2[40:48], "big")
    broken = patched(small_qcow2, ">Q", level_1, (1 << 63) | 0x7FFF0000)
    assert refuses(server.serve("/a.qcow2", broken)).reason == "ImageCorrupt"


def test_clusters_nobody_uses_do_no_harm(server: ImageServer, ensure: Ensure, tmp_path: Path) -> None:
    path = tmp_path / "leaking.qcow2"
    path.write_bytes(made(tmp_path, "qcow2", raw_disk(filled=MIB)))
    level_1 = int.from_bytes(path.read_bytes()[40:48], "big")
    ensure(server.serve("/a.qcow2", patched(path.read_bytes(), ">Q", level_1, 0)))


def test_an_image_qemu_img_cannot_read_is_refused(server: ImageServer, refuses: Refuse, tmp_path: Path) -> None:
    image = made(tmp_path, "vmdk", raw_disk(filled=MIB), "-o", "subformat=streamOptimized")
    broken = image[: len(image) // 2] + bytes(len(image) // 2)
    assert refuses(server.serve("/a.vmdk", broken)).reason == "ImageCorrupt"


def test_07_output_beyond_the_cap_is_refused(server: ImageServer, refuses: Refuse) -> None:
    policy = LOCAL.model_copy(update={"max_output_bytes": 2 * MIB})
    assert refuses(server.serve("/a.raw", raw_disk(8 * MIB, filled=6 * MIB)), policy=policy).reason == "ImageTooLarge"


def tells(**facts: object) -> str:
    """Return a script whose `info` reports these facts of a sound image."""
    facts = {"virtual-size": 2 * MIB, "format-specific": {"data": {}}} | {
        name.replace("_", "-"): value for name, value in facts.items()
    }
    return f"test $1 = check || echo '{json.dumps(facts)}'"


@pytest.mark.parametrize(
    "script",
    [
        f'test "$1" != check || exit 2; exec {REAL} "$@"',
        f'test "$1" != info || exit 1; exec {REAL} "$@"',
        tells(virtual_size=512),
        tells(backing_filename="/x"),
        tells(format_specific={"data": {"data-file": "/x"}}),
    ],
    ids=["check fails", "info fails", "another size", "a backing file", "a data file"],
)
def test_fault_12_an_image_qemu_img_does_not_vouch_for_is_refused(
    server: ImageServer, refuses: Refuse, stand: Stand, small_qcow2: bytes, script: str
) -> None:
    stand.does(script)
    assert refuses(server.serve("/a.qcow2", small_qcow2)).reason == "ImageCorrupt"


def test_conversion_tells_how_far_it_is(server: ImageServer, ensure: Ensure, stand: Stand) -> None:
    slowly = r'printf "    (25.00/100%)\r"; sleep 1; printf "    (50.00/100%)\r"; sleep 1'
    stand.does(f'test "$1" != convert || {{ {slowly.replace("%", "%%")}; }}; exec {REAL} "$@"')
    beats: list[ImportProgress] = []
    ensure(server.serve("/a.raw", raw_disk(8 * MIB)), beat=beats.append)
    done = {beat.done for beat in beats if (beat.stage, beat.total) == ("converting", 8 * MIB)}
    assert {0, 2 * MIB, 4 * MIB} <= done


def test_a_stop_ends_the_conversion_at_once_and_keeps_the_download(
    server: ImageServer, ensure: Ensure, cache: ImageCache, stand: Stand, tmp_path: Path
) -> None:
    class StopError(Exception):
        pass

    running = tmp_path / "pid"
    stand.does(f'test "$1" != convert || {{ echo $$ > {running}; exec sleep 600; }}; exec {REAL} "$@"')

    def stop(progress: ImportProgress) -> None:
        if running.exists():
            raise StopError

    url = server.serve("/a.raw", raw_disk())
    with pytest.raises(StopError):
        ensure(url, beat=stop)
    assert not Path(f"/proc/{running.read_text().strip()}").exists()
    assert cache.partials() == [f"{KEY}.cursor", f"{KEY}.partial"]
    stand.does(f'exec {REAL} "$@"')
    ensure(url)
    assert server.requests == 1


def test_fault_09_a_full_disk_under_the_converter_means_to_wait(
    server: ImageServer, fails: Refuse, stand: Stand, folder: Path
) -> None:
    stand.does('test "$1" != convert || { echo "qemu-img: No space left on device" >&2; exit 1; }')
    problem = fails(server.serve("/a.raw", raw_disk()))
    assert (problem.reason, problem.verdict) == ("NoSpace", Verdict.WAIT)
    assert list(folder.iterdir()) == []
