"""A worker that dies: makes one driver call, and is killed by SIGKILL just before or after a step of it.

Run as `python -m tests.drivers.libvirt_victim SPEC PLAN CALL STEP MOMENT`; SPEC and PLAN are JSON.
"""

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

STEPS: dict[str, tuple[Any, str]] = {
    "create volume": (libvirt.virStoragePool, "createXML"),
    "publish disk": (os, "link"),
    "drop partial": (libvirt.virStorageVol, "delete"),
    "publish file": (Path, "replace"),
    "define": (libvirt.virConnect, "defineXMLFlags"),
    "mark power-on": (libvirt.virDomain, "setMetadata"),
    "power on": (libvirt.virDomain, "createWithFlags"),
    "power off": (libvirt.virDomain, "destroyFlags"),
    "undefine": (libvirt.virDomain, "undefineFlags"),
    "delete file": (Path, "unlink"),
}
"""What the driver does to the world, in order: step → the function that does it."""


def die_at(step: str, moment: str) -> None:
    """Arrange that this process is killed before or after the first time it takes a step."""
    owner, name = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)

    @wraps(original)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        if moment == "after":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, deadly)


def run_victim(spec: LibvirtSpec, plan: GuestPlan, call: str, step: str, moment: str) -> int:
    """Run a victim in a process of its own; return its exit code."""
    arguments = [spec.model_dump_json(), plan.model_dump_json(), call, step, moment]
    command = [sys.executable, "-m", "tests.drivers.libvirt_victim", *arguments]
    return subprocess.run(command, cwd=Path(__file__).parents[2], check=False, timeout=60).returncode


def main(spec: LibvirtSpec, plan: GuestPlan, call: str, step: str, moment: str) -> None:
    """Make the call, and die in it."""
    driver = LibvirtDriver(spec)
    driver.prepare()
    die_at(step, moment)
    if call == "run":
        driver.ensure_running(plan, fresh=True)
    else:
        driver.ensure_removed(plan.uid)


if __name__ == "__main__":
    main(LibvirtSpec.model_validate_json(sys.argv[1]), GuestPlan.model_validate_json(sys.argv[2]), *sys.argv[3:])
