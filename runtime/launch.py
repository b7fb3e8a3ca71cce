"""Turns into a background process that is known from its first moment; standard library only.

Run as `python -I launch.py LOCK_FD PID_FILE LOG_FILE COMMAND…`. It forks; the child leaves the session, writes the pid
file, and only then becomes COMMAND. The child holds the caller's lock (an inherited descriptor) until the pid file is
whole, so whoever gets the lock next sees either no process or one with a pid file, even if the caller was killed at
any point. The parent returns when COMMAND runs: 0, or 1 with the reason on standard error.
"""

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

_START_TIME, _STATE = 19, 0
"""Positions in /proc/<pid>/stat counted from the field after the command's name (proc_pid_stat(5): fields 22 and 3)."""


class Identity(NamedTuple):
    """One process, told apart from any later one that gets the same pid.

    boot: identifier of the kernel's boot; started: clock ticks from that boot to the process's start.
    """

    pid: int
    boot: str
    started: int


def identify(pid: int) -> Identity | None:
    """Return the identity of a live process; None when there is none, or only a corpse nobody has collected yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name, in parentheses, may itself hold blanks and parentheses
    if fields[_STATE] in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Identity(pid, boot, int(fields[_START_TIME]))


def write_pid_file(file: Path, argv: list[str]) -> None:
    """Put this process on record, whole or not at all."""
    identity = identify(os.getpid())
    if identity is None:
        raise RuntimeError("a process that runs finds itself in /proc")
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(json.dumps({**identity._asdict(), "argv": argv}))
    partial.replace(file)


def main(lock: int, pid_file: Path, log_file: Path, argv: list[str]) -> None:
    """Start `argv` in the background; return when it runs."""
    outcome, report = os.pipe()  # the child's end closes by itself when it becomes the command
    if os.fork() == 0:
        _become(lock, pid_file, log_file, argv, report)
    os.close(report)
    with os.fdopen(outcome) as reader:
        if trouble := reader.read():
            sys.exit(trouble)


def _become(lock: int, pid_file: Path, log_file: Path, argv: list[str], report: int) -> None:
    try:
        os.setsid()
        os.chdir("/")
        write_pid_file(pid_file, argv)
        os.close(lock)
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.execvp(argv[0], argv)  # noqa: S606 (starting the caller's program is the purpose)
    except OSError as error:
        os.write(report, f"{argv[0]}: {error}".encode())
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
