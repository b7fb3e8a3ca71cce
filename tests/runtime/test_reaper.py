"""The child subreaper: it adopts orphans, passes signals on and ends as its command does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0


def reaper(*command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "runtime.reaper", *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def happens(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    return happens(lambda: not Path(f"/proc/{pid}").exists())


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15)])
def test_it_ends_with_its_commands_exit_code(script: str, code: int) -> None:
    with reaper("sh", "-c", script) as process:
        process.communicate(timeout=DEADLINE)
    assert process.returncode == code


def test_a_command_that_does_not_exist_is_named() -> None:
    with reaper("/no/such/program") as process:
        _, told = process.communicate(timeout=DEADLINE)
    assert (process.returncode, told) == (127, "/no/such/program: No such file or directory\n")


def test_an_orphan_is_adopted_and_collected_when_it_ends() -> None:
    with reaper("sh", "-c", "(sleep 600 & echo $!); read wait") as process:
        assert process.stdout is not None
        orphan = int(process.stdout.readline())
        assert happens(lambda: parent(orphan) == process.pid)
        os.kill(orphan, signal.SIGKILL)
        assert gone(orphan)
        process.terminate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_request_to_end_is_passed_on(number: signal.Signals) -> None:
    with reaper(
        "sh", "-c", f"trap 'echo heard; exit 3' {number.value}; echo ready; while :; do sleep 0.05; done"
    ) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "ready\n"
        it.send_signal(number)
        assert it.stdout.readline() == "heard\n"
        it.communicate(timeout=DEADLINE)
    assert it.returncode == 3


def test_a_command_does_not_outlive_its_killed_reaper() -> None:
    with reaper("sh", "-c", "echo $$; exec sleep 600") as process:
        assert process.stdout is not None
        command = int(process.stdout.readline())
        process.kill()
        assert gone(command)
