import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from domain.problem import Problem, Verdict
from runtime import launch
from runtime.launch import Identity, identify
from runtime.processes import Process, Processes
from runtime.wait import Condition, until

SERVE = """
import os, pathlib, signal, sys
print("serving", flush=True)
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
signal.pause()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + SERVE


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    processes = Processes(tmp_path / "home")
    yield processes
    await processes.ensure_stopped("server", grace=0)


@pytest.fixture
def server(tmp_path: Path) -> Process:
    return serving(tmp_path / "ready")


def serving(marker: Path, program: str = SERVE, *arguments: str, patience: float = 30) -> Process:
    """Return a process that is ready when its marker holds its pid."""
    argv = [sys.executable, "-c", program, str(marker), *arguments]
    return Process("server", argv, ready=lambda identity: marked(marker, identity), patience=patience, grace=0.5)


def marked(marker: Path, identity: Identity) -> Condition:
    def holds() -> bool:
        return marker.exists() and marker.read_text() == str(identity.pid)

    return lambda: asyncio.to_thread(holds)


async def ends(identity: Identity) -> None:
    async def gone() -> bool:
        return identify(identity.pid) != identity

    async with asyncio.timeout(10):
        await until(gone, every=0.01)


async def test_a_started_process_is_ready_and_on_record(processes: Processes, server: Process) -> None:
    record, started = await processes.ensure_started(server)
    assert started
    assert processes.running("server") == record
    assert processes.tail("server") == "serving"


async def test_a_process_has_a_session_of_its_own_and_holds_no_folder(processes: Processes, server: Process) -> None:
    record, _ = await processes.ensure_started(server)
    pid = record.identity.pid
    assert os.getsid(pid) == pid
    assert (await asyncio.to_thread(Path(f"/proc/{pid}/cwd").readlink)) == Path("/")


async def test_a_process_is_nobodys_child_so_it_outlives_its_starter(processes: Processes, server: Process) -> None:
    record, _ = await processes.ensure_started(server)
    status = await asyncio.to_thread(Path(f"/proc/{record.identity.pid}/status").read_text)
    assert f"PPid:\t{os.getpid()}\n" not in status


async def test_a_process_gets_its_variables_beside_the_starters(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTER", "1")
    show = "import os; print(os.environ['OUTER'], os.environ['INNER'], flush=True)" + SERVE
    base = serving(tmp_path / "ready", show)
    await processes.ensure_started(Process("server", base.argv, base.ready, env={"INNER": "2"}))
    assert processes.tail("server").splitlines() == ["1 2", "serving"]


async def test_starting_twice_is_starting_once(processes: Processes, server: Process) -> None:
    first, _ = await processes.ensure_started(server)
    second, started = await processes.ensure_started(server)
    assert (second, started) == (first, False)


async def test_two_that_start_at_once_get_the_same_process(processes: Processes, server: Process) -> None:
    outcomes = await asyncio.gather(*(processes.ensure_started(server) for _ in range(4)))
    assert len({record for record, _ in outcomes}) == 1
    assert sorted(started for _, started in outcomes) == [False, False, False, True]


async def test_other_arguments_replace_the_process(processes: Processes, tmp_path: Path) -> None:
    first, _ = await processes.ensure_started(serving(tmp_path / "ready"))
    second, started = await processes.ensure_started(serving(tmp_path / "ready", SERVE, "--verbose"))
    assert started
    assert identify(first.identity.pid) != first.identity
    assert processes.running("server") == second


async def test_a_process_that_died_is_started_anew(processes: Processes, server: Process) -> None:
    first, _ = await processes.ensure_started(server)
    os.kill(first.identity.pid, signal.SIGKILL)
    await ends(first.identity)
    assert processes.running("server") is None
    second, started = await processes.ensure_started(server)
    assert started
    assert second.identity != first.identity


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}], ids=["later process", "earlier boot"])
async def test_another_process_with_the_recorded_pid_is_neither_adopted_nor_stopped(
    processes: Processes, bystander: Identity, tmp_path: Path, change: dict[str, object]
) -> None:
    pid_file = tmp_path / "home/run/server.pid"
    pid_file.parent.mkdir(parents=True)
    pid_file.write_text(json.dumps({**bystander._asdict(), **change, "argv": ["server"]}))
    assert processes.running("server") is None
    assert await processes.ensure_stopped("server") is False
    assert identify(bystander.pid) == bystander


@pytest.fixture
def bystander() -> Iterator[Identity]:
    """Run a process that belongs to nobody's home."""
    with subprocess.Popen(["sleep", "600"]) as process:
        identity = identify(process.pid)
        assert identity is not None
        yield identity
        process.kill()


async def test_stopping_ends_the_process_and_says_so(processes: Processes, server: Process) -> None:
    record, _ = await processes.ensure_started(server)
    assert await processes.ensure_stopped("server") is True
    assert identify(record.identity.pid) != record.identity
    assert processes.running("server") is None


async def test_stopping_what_does_not_run_is_fine(processes: Processes, tmp_path: Path) -> None:
    assert await processes.ensure_stopped("server") is False
    assert not (tmp_path / "home").exists()


async def test_a_process_that_ignores_sigterm_is_killed_with_its_children(processes: Processes, tmp_path: Path) -> None:
    nested = "import subprocess, sys; child = subprocess.Popen(['sleep', '600']); print(child.pid, flush=True);"
    record, _ = await processes.ensure_started(serving(tmp_path / "ready", nested + STUBBORN))
    child = identify(int(processes.tail("server").splitlines()[0]))
    assert child is not None
    await processes.ensure_stopped("server", grace=0.2)
    assert identify(record.identity.pid) != record.identity
    await ends(child)


async def test_a_process_that_ends_early_is_a_problem_that_shows_its_last_words(processes: Processes) -> None:
    failing = Process("server", [sys.executable, "-c", "raise SystemExit('no such database')"], lambda _: never)
    with pytest.raises(Problem) as caught:
        await processes.ensure_started(failing)
    assert (caught.value.reason, caught.value.field) == ("ProcessEnded", "server")
    assert "no such database" in caught.value.message


async def test_a_process_that_is_not_ready_in_time_is_a_problem_and_stays(processes: Processes, tmp_path: Path) -> None:
    slow = Process("server", serving(tmp_path / "x").argv, lambda _: never, patience=0.5)
    with pytest.raises(Problem) as caught:
        await processes.ensure_started(slow)
    assert (caught.value.reason, caught.value.verdict) == ("ProcessNotReady", Verdict.RETRY)
    assert processes.running("server") is not None


async def never() -> bool:
    return False


async def test_a_program_that_does_not_exist_is_a_terminal_problem(processes: Processes) -> None:
    with pytest.raises(Problem) as caught:
        await processes.ensure_started(Process("server", ["/nowhere/serverd"], lambda _: never))
    assert (caught.value.reason, caught.value.verdict) == ("CommandUnusable", Verdict.TERMINAL)
    assert "/nowhere/serverd" in caught.value.message


async def test_a_large_log_is_set_aside_at_the_next_start(
    processes: Processes, server: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await processes.ensure_started(server)
    await processes.ensure_stopped("server")
    monkeypatch.setattr("runtime.processes._LOG_LIMIT", 1)
    await processes.ensure_started(server)
    log = processes.log_file("server")
    assert log.with_suffix(".log.1").read_text() == "serving\n"
    assert log.read_text() == "serving\n"


async def test_a_lock_that_somebody_keeps_is_a_problem_in_bounded_time(
    processes: Processes, server: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.processes._KILL_PATIENCE", 0.1)
    async with processes._locked("server", patience=5):
        with pytest.raises(Problem) as caught:
            await processes.ensure_stopped("server", grace=0.1)
    assert caught.value.reason == "ProcessBusy"


@pytest.fixture
def cut_off(tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    """Start a process from a program that is killed, and its launcher too, when the child reaches a given point."""

    def run(point: str) -> subprocess.Popen[str]:
        program = f"""
import asyncio, os, signal, sys
from pathlib import Path
from runtime import launch, processes
sabotaged = Path({str(tmp_path)!r}) / "launch.py"
text = Path(launch.__file__).read_text()
assert {point!r} in text
kill = "os.kill({{}}, 9); os.kill(os.getppid(), 9); __import__('time').sleep(0.3); ".format(os.getpid())
sabotaged.write_text(text.replace({point!r}, kill + {point!r}))
processes.launch.__file__ = str(sabotaged)
async def ready(): return True
argv = [sys.executable, "-c", {SERVE!r}, {str(tmp_path / "ready")!r}]
home = Path({str(tmp_path)!r}) / "home"
asyncio.run(processes.Processes(home).ensure_started(processes.Process("server", argv, lambda _: ready)))
"""
        return subprocess.Popen([sys.executable, "-c", program], text=True)

    return run


@pytest.mark.parametrize("point", ["os.setsid()", "write_pid_file(pid_file, argv)", "os.close(lock)", "os.execvp("])
async def test_a_starter_killed_at_any_point_leaves_one_known_process(
    processes: Processes, server: Process, cut_off: Callable[[str], subprocess.Popen[str]], point: str
) -> None:
    with cut_off(point) as starter:
        assert starter.wait(timeout=30) == -signal.SIGKILL
    record, started = await processes.ensure_started(server)
    assert not started
    assert processes.tail("server").splitlines() == ["serving"]
    assert processes.running("server") == record


def test_a_corpse_is_not_a_process() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identify(child.pid) is None
    child.wait()


def test_a_name_with_parentheses_does_not_confuse_the_reading_of_proc(tmp_path: Path) -> None:
    odd = tmp_path / "a) Z (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "600"]) as child:
        try:
            assert identify(child.pid) is not None
        finally:
            child.kill()


def test_the_launcher_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    check = f"import sys, runpy; runpy.run_path({launch.__file__!r}); print('runtime' in sys.modules)"
    outcome = subprocess.run([sys.executable, "-I", "-S", "-c", check], capture_output=True, text=True, check=True)
    assert outcome.stdout.strip() == "False"
