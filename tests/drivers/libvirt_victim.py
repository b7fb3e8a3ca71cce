"""A worker that dies: makes one driver call, and is killed by SIGKILL just before or after a step of it.

Run as `python -m tests.drivers.libvirt_victim SPEC PLAN CALL STEP MOMENT`; SPEC and PLAN are JSON.
"""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import libvirt

from domain.guest import GuestPlan
from domain.hypervisor import LibvirtSpec
from drivers.libvirt import LibvirtDriver

STEPS: dict[str, tuple[Any, str, int]] = {
    "create volume": (libvirt.virStoragePool, "createXML", 1),
    "publish disk": (os, "link", 1),
    "drop partial": (libvirt.virStorageVol, "delete", 1),
    "publish file": (Path, "replace", 1),
    "define": (libvirt.virConnect, "defineXMLFlags", 1),
    "begin power-on": (libvirt.virDomain, "setMetadata", 1),
    "start QEMU": (libvirt.virDomain, "createWithFlags", 1),
    "announce CPUs": (libvirt.virDomain, "setMetadata", 2),
    "let CPUs go": (libvirt.virDomain, "resume", 1),
    "end power-on": (libvirt.virDomain, "setMetadata", 3),
    "power off": (libvirt.virDomain, "destroyFlags", 1),
    "undefine": (libvirt.virDomain, "undefineFlags", 1),
    "delete file": (Path, "unlink", 1),
}
"""What the driver does to the world, in order: step → the function that does it, and at which of its calls."""


def die_at(step: str, moment: str) -> None:
    """Arrange that this process is killed before or after it takes a step."""
    owner, name, number = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)
    calls = itertools.count(1)

    @wraps(original)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        last = next(calls) == number
        done = None if last and moment == "before" else original(*args, **kwargs)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, deadly)


def run_victim(spec: LibvirtSpec, plan: GuestPlan, call: str, step: str, moment: str) -> int:
    """Run a victim in a process of its own; return its exit code."""
    arguments = [spec.model_dump_json(), plan.model_dump_json(), call, step, moment]
    command = [sys.executable, "-m", "tests.drivers.libvirt_victim", *arguments]
    return subprocess.run(command, cwd=Path(__file__).parents[2], check=False, timeout=60).returncode


def main(spec: LibvirtSpec, plan: GuestPlan, call: str, step: str, moment: str) -> None:
    """Make the call, and die in it. `run` is the first power-on of a guest, `run 2` its second."""
    driver = LibvirtDriver(spec)
    driver.prepare()
    die_at(step, moment)
    word, _, number = call.partition(" ")
    if word == "run":
        start = int(number or 1)
        driver.ensure_running(plan, fresh=start == 1, start=start)
    else:
        driver.ensure_removed(plan.uid)


if __name__ == "__main__":
    main(LibvirtSpec.model_validate_json(sys.argv[1]), GuestPlan.model_validate_json(sys.argv[2]), *sys.argv[3:])
