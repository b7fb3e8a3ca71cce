"""What happens inside a guest, or to its process, without vmflow."""

import asyncio
import base64
import json
import os
import signal
import subprocess
from typing import Any

from tests.drivers.libvirt_hosts import processes
from tests.e2e import libvirt_host
from tests.e2e.stacks import eventually
from tests.e2e.tenant import Tenant

POWER_OFF = "/sbin/shutdown -P"
REBOOT = "/sbin/shutdown -r"
PANIC = "echo c > /proc/sysrq-trigger"


class Inside:
    """One guest of a stack on QEMU, from within: its agent runs what a person would type there."""

    def __init__(self, tenant: Tenant, uid: str) -> None:
        libvirt = tenant.stack.hypervisor().libvirt
        assert libvirt is not None
        self._uri = libvirt.uri
        self.uid = uid

    async def run(self, command: str) -> None:
        """Run a shell command as root and leave it to itself: it may end the guest."""
        asked = {"path": "/bin/sh", "arg": ["-c", f"sleep 0.2; {command}"]}  # the agent answers before it is gone

        async def taken() -> bool:
            return await self._ask("guest-exec", **asked) is not None

        await eventually(taken, f"the agent of {self.uid} runs {command}")

    async def read(self, command: str) -> str:
        """Return what a shell command prints; asked again when the guest ends meanwhile."""
        printed = ""

        async def read() -> bool:
            nonlocal printed
            asked = {"path": "/bin/sh", "arg": ["-c", command], "capture-output": True}
            begun = await self._ask("guest-exec", **asked)
            status = await self._ask("guest-exec-status", **begun) if begun else None
            while status and not status["exited"]:
                status = await self._ask("guest-exec-status", **(begun or {}))
            if not status:
                return False
            assert status["exitcode"] == 0, status
            printed = base64.b64decode(status.get("out-data", "")).decode()
            return True

        await eventually(read, f"{command} is read from {self.uid}")
        return printed

    async def kill_qemu(self) -> None:
        """Kill the process that runs the guest."""
        (pid,) = self.pids()
        os.kill(pid, signal.SIGKILL)

    async def undefine(self) -> None:
        """Take the domain away: powered off and forgotten, its files left where they are."""
        for command in ("destroy", "undefine"):
            await asyncio.to_thread(libvirt_host.virsh, self._uri, command, self.uid)

    def pids(self) -> list[int]:
        """Return the processes that run the guest: one, or none."""
        return processes(f"\0-uuid\0{self.uid}\0")

    async def state(self) -> str:
        """Return what libvirt calls the domain: `running`, `shut off`, `crashed`, …"""
        return (await asyncio.to_thread(libvirt_host.virsh, self._uri, "domstate", self.uid)).strip()

    async def _ask(self, execute: str, **arguments: Any) -> dict[str, Any] | None:
        """Ask the guest's agent; None when it is not there (yet), or talks to somebody else."""
        command = json.dumps({"execute": execute, "arguments": arguments})
        words = ("qemu-agent-command", self.uid, command, "--timeout", "5")
        try:
            said = await asyncio.to_thread(libvirt_host.virsh, self._uri, *words)
        except subprocess.CalledProcessError:
            return None
        answered: dict[str, Any] = json.loads(said)["return"]
        return answered
