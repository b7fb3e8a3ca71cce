"""A stack on a libvirt of its own: its daemon and its guests may be killed, and its host may lose its power."""

import asyncio
import os
import shutil
import signal
from contextlib import suppress

import yaml

from manifests.registry import parse
from tests.drivers.libvirt_hosts import SessionHost, processes
from tests.drivers.waiting import eventually
from tests.e2e.stacks import PATIENCE, PrivateStack


class FragileStack(PrivateStack):
    """One stack over a session daemon. Its guests are on user-mode networks, reached by forwarded ports."""

    def __init__(self) -> None:
        super().__init__("libvirt")
        self.host = SessionHost()
        self._up = False
        spec = self.host.spec
        manifest = {
            "apiVersion": "vmflow.dev/v1alpha1",
            "kind": "Hypervisor",
            "metadata": {"name": self.settings.hypervisor_name},
            "spec": {"zone": "local", "libvirt": spec.model_dump(mode="json", exclude_none=True)},
        }
        parse(manifest)
        self.settings.manifests.mkdir(parents=True)
        (self.settings.manifests / "hypervisor.yaml").write_text(yaml.safe_dump(manifest))

    async def up(self) -> None:
        await asyncio.to_thread(self.start_libvirtd)
        await super().up()

    def start_libvirtd(self) -> None:
        """Start the daemon unless it runs."""
        if not self._up:
            self.host.start()
            self._up = True

    def kill_libvirtd(self) -> None:
        """Kill the daemon with SIGKILL; its guests go on."""
        self._up = False
        self.host.kill()

    def lose_power(self) -> None:
        """Let the host lose its power: daemon, guests and tools all at once. What lies in /run does not come back."""
        self._up = False
        word = str(self.host.folder)
        for pid in processes(word):
            with suppress(ProcessLookupError):  # the daemon's reaper may have taken it along
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not processes(word), within=PATIENCE, what="the host is off")
        assert self.host._daemon is not None
        self.host._daemon.wait()
        shutil.rmtree(self.host.folder / "run/libvirt")

    def guest(self, uid: str) -> list[int]:
        """Return the processes that run a guest."""
        return processes(f"\0-uuid\0{uid}\0")

    async def purge(self) -> None:
        try:
            await asyncio.to_thread(self.start_libvirtd)
            await super().purge()
        finally:
            await asyncio.to_thread(self.host.end)
