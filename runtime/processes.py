"""Background processes of one installation: started once, known for certain, stopped for certain.

A process is known by its pid file, which holds the pid together with the kernel's boot and the process's start time; a
pid that somebody else got later is never mistaken for it. One lock per name puts starting and stopping in a row, also
between programs. A start cannot leave a process without a pid file (see runtime/launch.py).
"""

import asyncio
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.problem import Problem
from runtime import launch
from runtime.launch import Identity, identify
from runtime.wait import Condition, until

_LOG_LIMIT = 16 * 2**20
"""Bytes after which a log is set aside at the next start; the one set aside before is dropped."""
_TAIL = 15
"""Lines of the log that a problem shows."""
_KILL_PATIENCE = 10.0
"""Seconds a process may take to vanish after SIGKILL."""


@dataclass(frozen=True)
class Process:
    """What shall run.

    name:     unique in the installation; names the pid file, the lock and the log.
    argv:     program and arguments; a running process with other arguments is replaced.
    env:      variables beside those of the starting process.
    ready:    makes, from the process's identity, the condition that says it does its work.
    patience: seconds to readiness; grace: seconds from SIGTERM to SIGKILL.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[Identity], Condition]
    env: Mapping[str, str] = field(default_factory=dict)
    patience: float = 60.0
    grace: float = 20.0


@dataclass(frozen=True)
class Record:
    """A pid file's content: which process, and what it was started as."""

    identity: Identity
    argv: tuple[str, ...]

    @property
    def since(self) -> datetime:
        """Return when the process started."""
        return started_at(self.identity)


class Processes:
    """The background processes that belong to one home folder."""

    def __init__(self, home: Path) -> None:
        self._run = home / "run"
        self._logs = home / "logs"

    def log_file(self, name: str) -> Path:
        """Return the file that holds a process's output, this run's after earlier ones'."""
        return self._logs / f"{name}.log"

    def running(self, name: str) -> Record | None:
        """Return the live process of that name, or None. Reads only."""
        try:
            content = json.loads(self._pid_file(name).read_text())
        except FileNotFoundError:
            return None
        record = Record(Identity(content["pid"], content["boot"], content["started"]), tuple(content["argv"]))
        return record if identify(record.identity.pid) == record.identity else None

    async def ensure_started(self, process: Process) -> tuple[Record, bool]:
        """Return the running, ready process and whether this call started it.

        Raises Problem.terminal `CommandUnusable`, Problem.retry `ProcessEnded` or Problem.retry `ProcessNotReady`; the
        last leaves the process as it is, for the next call to wait on.
        """
        async with self._locked(process.name, patience=process.patience + process.grace) as lock:
            record = self.running(process.name)
            if record and record.argv[1:] != tuple(process.argv[1:]):
                await self._end(record, process.grace)
                record = None
            started = record is None
            if record is None:
                record = await asyncio.to_thread(self._launch, process, lock)
            await self._await_ready(process, record)
            return record, started

    async def ensure_stopped(self, name: str, *, grace: float = 20.0) -> bool:
        """End the process of that name, if there is one; tell whether there was. Raises Problem.retry `Unkillable`."""
        if not self._run.is_dir():
            return False
        async with self._locked(name, patience=grace + _KILL_PATIENCE):
            record = self.running(name)
            if record:
                await self._end(record, grace)
            self._pid_file(name).unlink(missing_ok=True)
            return record is not None

    def tail(self, name: str, lines: int = _TAIL) -> str:
        """Return the last lines of a process's log."""
        try:
            text = self.log_file(name).read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _pid_file(self, name: str) -> Path:
        return self._run / f"{name}.pid"

    @asynccontextmanager
    async def _locked(self, name: str, *, patience: float) -> AsyncIterator[int]:
        """Hold the name's lock (flock(2): the kernel lets go of it when its last holder ends); yield its descriptor."""
        for folder in (self._run, self._logs):
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(self._run / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)

        async def held() -> bool:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        try:
            await self._acquire(held, name, patience)
            yield descriptor
        finally:
            os.close(descriptor)

    @staticmethod
    async def _acquire(held: Condition, name: str, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await until(held, every=0.05)
        except TimeoutError as error:
            raise Problem.retry(
                "ProcessBusy",
                f"another vmflow command has been starting or stopping it for {patience:g} s; try again",
                field=name,
            ) from error

    def _launch(self, process: Process, lock: int) -> Record:
        log = self.log_file(process.name)
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        launcher = [sys.executable, "-I", launch.__file__, str(lock), str(self._pid_file(process.name)), str(log)]
        outcome = subprocess.run(  # noqa: S603 (the arguments are a list; no shell sees them)
            [*launcher, *process.argv],
            env={**os.environ, **process.env},
            pass_fds=(lock,),
            capture_output=True,
            text=True,
            check=False,
        )
        if outcome.returncode != 0:
            raise Problem.terminal(
                "CommandUnusable",
                f"could not be started: {outcome.stderr.strip()}",
                field=process.name,
            )
        record = self.running(process.name)
        if record is None:
            raise self._ended(process)
        return record

    async def _await_ready(self, process: Process, record: Record) -> None:
        ready = process.ready(record.identity)

        async def ready_or_ended() -> bool:
            if identify(record.identity.pid) != record.identity:
                raise self._ended(process)
            return await ready()

        try:
            async with asyncio.timeout(process.patience):
                await until(ready_or_ended, every=0.1)
        except TimeoutError as error:
            raise Problem.retry(
                "ProcessNotReady",
                f"runs but is not ready after {process.patience:g} s; try again, or read {self._log_end(process.name)}",
                field=process.name,
            ) from error

    def _ended(self, process: Process) -> Problem:
        return Problem.retry(
            "ProcessEnded",
            f"ended before it was ready; read {self._log_end(process.name)}",
            field=process.name,
        )

    def _log_end(self, name: str) -> str:
        return f"{self.log_file(name)}, which ends:\n{self.tail(name)}"

    async def _end(self, record: Record, grace: float) -> None:
        """End exactly that process: ask, wait, then kill it with its process group."""
        try:
            handle = os.pidfd_open(record.identity.pid)
        except ProcessLookupError:
            return
        try:
            if identify(record.identity.pid) != record.identity:
                return  # the handle is of a later process with that pid
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            if await asyncio.to_thread(_ends_within, handle, grace):
                return
            os.killpg(record.identity.pid, signal.SIGKILL)
            if not await asyncio.to_thread(_ends_within, handle, _KILL_PATIENCE):
                raise Problem.retry(
                    "Unkillable",
                    f"process {record.identity.pid} ({record.argv[0]}) has not ended {_KILL_PATIENCE:g} s after "
                    "SIGKILL; it hangs in the kernel, look at its storage",
                )
        finally:
            os.close(handle)


def started_at(identity: Identity) -> datetime:
    """Return a live process's start by the wall clock."""
    up = float(Path("/proc/uptime").read_text().split()[0])
    age = timedelta(seconds=up - identity.started / os.sysconf("SC_CLK_TCK"))
    return datetime.now(UTC) - age


def _ends_within(handle: int, seconds: float) -> bool:
    """Wait for a process by its pid file descriptor (pidfd_open(2): readable when it ends)."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
