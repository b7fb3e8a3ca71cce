"""Programs on a terminal of their own, typed at and read as a person does."""

import os
import subprocess
import termios
import time
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0


class Terminal:
    """One program's terminal."""

    def __init__(self, master: int, slave: int, program: "subprocess.Popen[bytes]") -> None:
        self._master, self._slave = master, slave
        self.program = program
        self.shown = b""

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def until(self, mark: bytes) -> bytes:
        """Return what showed up to a mark, and forget it."""
        end = time.monotonic() + PATIENCE
        while mark not in self.shown:
            assert time.monotonic() < end, f"{mark!r} never showed; there is {self.shown!r}"
            if select([self._master], [], [], 0.2)[0]:
                self.shown += os.read(self._master, 65536)
        before, _, self.shown = self.shown.partition(mark)
        return before

    def ended(self) -> int:
        """Return the program's exit code when it has ended."""
        end = time.monotonic() + PATIENCE
        while self.program.poll() is None and time.monotonic() < end:
            if select([self._master], [], [], 0.2)[0]:  # a program ends when its terminal has taken what it wrote
                self.shown += os.read(self._master, 65536)
        return self.program.wait(1)

    @property
    def modes(self) -> list[Any]:
        return termios.tcgetattr(self._slave)

    @property
    def raw(self) -> bool:
        return not self.modes[tty.LFLAG] & (termios.ICANON | termios.ECHO | termios.ISIG)


@contextmanager
def on_a_terminal(command: Sequence[str | Path], variables: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a program meanwhile."""
    master, slave = os.openpty()
    program = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **variables}, stdin=slave, stdout=slave, stderr=slave, close_fds=True
    )
    try:
        yield Terminal(master, slave, program)
    finally:
        with suppress(ProcessLookupError):
            program.kill()
        program.wait(PATIENCE)
        os.close(master)
        os.close(slave)
