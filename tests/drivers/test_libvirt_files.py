"""The driver's files and locks, without a hypervisor."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from domain.problem import Problem, Verdict
from drivers.libvirt import lock
from drivers.libvirt.console import read_tail
from drivers.libvirt.guest_info import usable
from drivers.libvirt.layout import Layout, publishing

UID = "11111111-2222-4333-8444-555555555555"
HOLD = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from drivers.libvirt.lock import building\n"
    "with building(Path(sys.argv[1]), sys.argv[2]):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(600)\n"
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path / "host"))
    layout.ensure_folders()
    return layout


def test_folders_can_be_entered_by_qemu_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        layout = Layout(str(tmp_path / "host"))
        layout.ensure_folders()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (layout.directory, layout.images, layout.volumes)} == {0o755}


def test_a_file_has_its_final_name_only_when_it_is_whole(layout: Layout) -> None:
    final = layout.seed(UID)

    def fail_halfway() -> None:
        with publishing(layout.partial(UID), final) as partial:
            partial.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert layout.files_of(UID) == []
    with publishing(layout.partial(UID), final) as partial:
        partial.write_bytes(b"whole")
        assert not final.exists()
    assert layout.files_of(UID) == [final]


def test_leftovers_are_what_belongs_to_nobody_and_what_is_partial(layout: Layout) -> None:
    layout.disk(UID).touch()
    layout.partial(UID).touch()
    (layout.volumes / "somebody-elses.txt").touch()
    layout.image("c0ffee").touch()
    (layout.images / "c0ffee.partial").touch()
    partial = f"volumes/{layout.partials_of(UID)[0].name}"
    assert layout.strays({UID}) == ["images/c0ffee.partial", partial]
    assert layout.strays(set()) == sorted(["images/c0ffee.partial", partial, f"volumes/{UID}.root.qcow2"])


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "a\n"])
def test_a_name_is_one_component_of_a_path(layout: Layout, name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        layout.disk(name)


def test_a_console_is_read_over_the_files_it_was_cut_into(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    assert read_tail(log, 100) == b""
    for name, text in (("console.log.1", b"abc"), ("console.log.0", b"def"), ("console.log", b"ghi")):
        (tmp_path / name).write_bytes(text)
    assert [read_tail(log, limit) for limit in (0, 2, 3, 5, 100)] == [b"", b"hi", b"ghi", b"efghi", b"abcdefghi"]


def test_addresses_nobody_else_can_use_are_left_out_and_ipv4_comes_first() -> None:
    told = [
        "not an address",
        "",
        "::1",
        "fe80::1",
        "2001:db8::2",
        "127.0.0.1",
        "169.254.1.1",
        "10.0.0.9",
        "10.0.0.10",
        "10.0.0.9",
    ]
    assert usable(told) == ("10.0.0.9", "10.0.0.10", "2001:db8::2")


def test_two_threads_never_build_one_guest_at_once(tmp_path: Path) -> None:
    inside, most, guard = 0, 0, threading.Lock()

    def build() -> None:
        nonlocal inside, most
        for _ in range(20):
            with lock.building(tmp_path, UID):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_killed_builder_never_keeps_the_next_one_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.1)
    command = [sys.executable, "-c", HOLD, str(tmp_path), UID]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Problem) as caught, lock.building(tmp_path, UID):
            pass
        assert (caught.value.reason, caught.value.verdict) == ("GuestBusy", Verdict.RETRY)
        with lock.building(tmp_path, UID.replace("1", "2")):
            pass
        holder.send_signal(signal.SIGKILL)
    with lock.building(tmp_path, UID):
        pass
