"""Runs a daemon as its child subreaper: what the daemon leaves behind is collected here, at once.

    python -m runtime.reaper COMMAND…

libvirtd starts every QEMU as a daemon of its own, which makes it an orphan; whoever adopts orphans collects the corpse
when it ends, and libvirt waits for that. In containers the adopter is the first process, which may be slow or not
collect at all: powering off then takes seconds instead of a tenth. The nearest subreaper comes before it (prctl(2),
PR_SET_CHILD_SUBREAPER).

It lives as long as COMMAND, passes SIGTERM, SIGINT and SIGHUP on, and ends with COMMAND's exit code (128 + n when a
signal n ended it). When it is killed, COMMAND gets SIGTERM. The standard library only.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_NOT_FOUND = 127
"""The shell's exit code for a command that cannot be started."""


def main(argv: list[str]) -> int:
    """Run `argv`; return its exit code."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # one that comes before there is a child waits for it
    reaper = os.getpid()
    child = os.fork()
    if child == 0:
        _become(argv, reaper)
    for each in _PASSED_ON:
        signal.signal(each, lambda number, _frame: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _become(argv: list[str], reaper: int) -> None:
    """Turn into the command, tied to the reaper's life."""
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != reaper:  # it died before the tie was made
            return
        for each in _PASSED_ON:
            signal.signal(each, signal.SIG_DFL)  # a shell's background job is born deaf to SIGINT; this must hear it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        os.execvp(argv[0], argv)  # noqa: S606 (starting the caller's program is the purpose)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
    finally:
        os._exit(_NOT_FOUND)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
