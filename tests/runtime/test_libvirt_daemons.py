import os
import sys
from pathlib import Path

import pytest

from domain.problem import Problem, Verdict
from runtime import libvirt_daemons


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine where root has libvirt installed, no service manager runs, and no daemon answers."""

    async def silent() -> bool:
        return False

    monkeypatch.setattr(libvirt_daemons, "answers", silent)
    monkeypatch.setattr(libvirt_daemons, "_VIRTLOGD_SOCKET", tmp_path / "virtlogd-sock")
    monkeypatch.setattr(libvirt_daemons, "_SYSTEMD", tmp_path / "systemd")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in libvirt_daemons.NAMES:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)


async def test_both_daemons_are_started_the_log_daemon_first(tmp_path: Path) -> None:
    processes = await libvirt_daemons.missing()
    assert [list(process.argv) for process in processes] == [
        [str(tmp_path / "virtlogd")],
        [sys.executable, "-m", "runtime.reaper", str(tmp_path / "libvirtd")],
    ]


async def test_nothing_is_started_when_libvirt_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answering() -> bool:
        return True

    monkeypatch.setattr(libvirt_daemons, "answers", answering)
    assert await libvirt_daemons.missing() == []


async def test_a_log_daemon_that_answers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answering() -> bool:
        return True

    monkeypatch.setattr(libvirt_daemons, "_log_daemon_answers", answering)
    assert [process.name for process in await libvirt_daemons.missing()] == ["libvirtd"]


async def test_where_systemd_runs_the_problem_names_its_command(tmp_path: Path) -> None:
    (tmp_path / "systemd").touch()
    with pytest.raises(Problem, match="systemctl enable --now libvirtd") as caught:
        await libvirt_daemons.missing()
    assert caught.value.reason == "LibvirtStopped"


async def test_a_user_whose_session_daemon_does_not_start_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Problem, match="libvirt-daemon-system") as caught:
        await libvirt_daemons.missing()
    assert (caught.value.reason, caught.value.field) == ("LibvirtMissing", "qemu:///session")


async def test_libvirt_that_is_not_installed_is_a_terminal_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.libvirt_daemons.shutil.which", lambda *_arguments, **_options: None)
    with pytest.raises(Problem, match="VMFLOW_HYPERVISOR=simulator") as caught:
        await libvirt_daemons.missing()
    assert (caught.value.reason, caught.value.verdict) == ("LibvirtMissing", Verdict.TERMINAL)
