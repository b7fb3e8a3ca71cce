"""qemu-img, kept on a short lead.

Every call names the format of every file, so nothing is probed. It runs under limits of memory, CPU time and file size,
dies with the thread that started it, and inherits the import's lock: even an orphan keeps the next importer out.
"""

import errno
import json
import os
import re
import subprocess
from pathlib import Path

from images.pulse import SLICE, Pulse
from images.refusal import corrupt, no_space, too_large

_MEMORY = 2 * 2**30
"""Bytes of address space; qemu-img reserves some 8 MiB for each of its threads."""
_PERCENT = re.compile(rb"\((\d+\.\d+)/100%\)")
_DRIVERS = {"vhd": "vpc"}
"""QEMU's names of formats, where they differ from ours."""
_SOUND = (0, 3)
"""Exit codes of `qemu-img check`: no error; clusters nobody uses, which waste room and do no harm."""


class QemuImg:
    """qemu-img on behalf of one import.

    lock:    descriptor every process inherits.
    limit:   bytes any file it writes may have.
    seconds: CPU time of one call.
    """

    def __init__(self, *, lock: int, limit: int, seconds: int, pulse: Pulse) -> None:
        self._lock = lock
        self._limit = limit
        self._seconds = seconds
        self._pulse = pulse

    def convert(self, source: Path, form: str, target: Path, *, size: int) -> None:
        """Write `source`, an image in format `form` that shows `size` bytes, to `target` as qcow2.

        Raises Problem.terminal `ImageCorrupt`, `ImageTooLarge`; Problem.wait `NoSpace`.
        """
        self._pulse.begin("converting", total=size)
        options = ["-p", "-f", _DRIVERS.get(form, form), "-O", "qcow2"]
        code, _, complaint = self._run("convert", *options, str(source), str(target), size=size)
        if os.strerror(errno.ENOSPC) in complaint:
            raise no_space(str(target.parent))
        if os.strerror(errno.EFBIG) in complaint:
            raise too_large(f"the image converts to more than the {self._limit} bytes allowed")
        if code:
            raise corrupt(f"the image cannot be read as {form}")

    def check(self, image: Path) -> int:
        """Check the tables of a qcow2 image and that it stands alone; return its virtual size in bytes.

        Raises Problem.terminal `ImageCorrupt`.
        """
        self._pulse.begin("verifying")
        code, _, _ = self._run("check", "-q", "-f", "qcow2", str(image))
        if code not in _SOUND:
            raise corrupt("the tables of the image contradict each other (qemu-img check)")
        code, output, _ = self._run("info", "-f", "qcow2", "--output=json", str(image))
        if code:
            raise corrupt("the image cannot be opened (qemu-img info)")
        facts = json.loads(output)
        if "backing-filename" in facts or "data-file" in facts["format-specific"]["data"]:
            raise corrupt("the image leans on another file (qemu-img info)")
        return int(facts["virtual-size"])

    def _run(self, command: str, *arguments: str, size: int = 0) -> tuple[int, bytes, str]:
        """Return exit code, output and complaints of one call; a beat that raises ends the process first."""
        lead = ["setpriv", "--pdeathsig", "KILL", "prlimit", f"--as={_MEMORY}"]
        limits = [f"--cpu={self._seconds}", f"--fsize={self._limit}", "--core=0", "--"]
        with subprocess.Popen(  # noqa: S603 - a list without a shell; every path is absolute and of our own making
            [*lead, *limits, "qemu-img", command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # A hostile image makes `check` complain about every cluster it has.
            stderr=subprocess.PIPE if command == "convert" else subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            pass_fds=(self._lock,),
        ) as process:
            try:
                output, complaint = self._follow(process, size)
            except BaseException:
                process.kill()
                raise
        return process.returncode, output, (complaint or b"").decode(errors="replace")

    def _follow(self, process: subprocess.Popen[bytes], size: int) -> tuple[bytes, bytes | None]:
        while True:
            try:
                return process.communicate(timeout=SLICE)
            except subprocess.TimeoutExpired as waiting:
                if told := _PERCENT.findall(waiting.output or b""):
                    self._pulse.reach(int(size * float(told[-1]) / 100))
                self._pulse.tick()
