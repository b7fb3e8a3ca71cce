"""A whole stack for end-to-end tests: a home and ports of its own, run by the product's own code.

Everything is real: Temporal over an SQLite file, the worker processes, the `vmflow` command as a process, and on
request the machine's libvirt. `purge` leaves nothing of it: no process, no domain, no pool, no network, no file.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from temporalio.service import RPCError

from domain.hypervisor import HypervisorSpec
from manifests.fleet import Hypervisor
from manifests.registry import kind_called, parse
from runtime.client import connect
from runtime.launch import identify
from runtime.machine import libvirt_uri, machine_manifests
from runtime.objects import Objects
from runtime.processes import Processes
from runtime.settings import Settings
from runtime.stack import Stack
from runtime.wait import Condition, until
from tests.e2e import libvirt_host
from tests.temporal_server import private_settings

ROOT = Path(__file__).parents[2]
Status = dict[str, Any]
"""A status document."""

WORKERS = ("lifecycle", "hypervisor")
PATIENCE = 240.0
"""Seconds anything may take on a busy machine before a test gives up."""


class Said(NamedTuple):
    """What a command did: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


async def eventually(condition: Condition, what: str, *, within: float = PATIENCE, every: float = 0.1) -> None:
    """Wait for a condition; an AssertionError that says `what` when it does not come."""
    try:
        async with asyncio.timeout(within):
            await until(condition, every=every)
    except TimeoutError:
        raise AssertionError(f"not within {within:g} s: {what}") from None


class PrivateStack:
    """One stack. `objects` is there after the first `up`."""

    objects: Objects

    def __init__(self, hypervisor: Literal["libvirt", "simulator"]) -> None:
        home = Path(tempfile.mkdtemp(prefix="vmflow-e2e-"))
        home.chmod(0o755)  # QEMU's user must get at the volumes
        changes = {"hypervisor": hypervisor, "allowed_networks": ["127.0.0.1/32"]}
        self.settings: Settings = private_settings(home).model_copy(update=changes)
        self.processes = Processes(home)

    async def up(self) -> None:
        """Start what does not run, and wait until it is ready."""
        await Stack(self.settings).up(print)
        self.objects = Objects(await connect(self.settings))

    async def kill(self, *names: str) -> None:
        """SIGKILL processes all at once, and see that they are gone."""
        identities = []
        for name in names:
            record = self.processes.running(name)
            assert record is not None, f"{name} does not run"
            identities.append(record.identity)
        for identity in identities:
            os.kill(identity.pid, signal.SIGKILL)

        async def gone() -> bool:
            return all(identify(identity.pid) != identity for identity in identities)

        await eventually(gone, "killed processes end", every=0.01)

    async def vmflow(self, *arguments: str, stdin: str = "") -> Said:
        """Run the command line as a process of its own."""
        return await vmflow(self.settings, *arguments, stdin=stdin)

    def hypervisor(self) -> HypervisorSpec:
        """Return what the stack declared this machine's hypervisor to be."""
        manifest = parse(machine_manifests(self.settings)[-1])
        assert isinstance(manifest, Hypervisor)
        return manifest.domain()

    @property
    def folder(self) -> Path:
        """Where the hypervisor keeps its files."""
        spec = self.hypervisor()
        store = spec.libvirt or spec.simulator
        assert store is not None
        return Path(store.directory)

    async def claims(self) -> tuple[int, int]:
        """Return how many VMs the zone has placed, and how many wait there."""
        status: Status = (await self.objects.get(kind_called("Zone"), "local")).get("status", {})
        return status.get("placed", 0), status.get("waiting", 0)

    async def purge(self) -> None:
        """End the stack and remove all that it made on this machine."""
        try:
            for name in WORKERS:
                await self.processes.ensure_stopped(name)
            if self.settings.hypervisor == "libvirt":
                await asyncio.to_thread(libvirt_host.destroy_guests, libvirt_uri(), self.settings.home)
        finally:
            await Stack(self.settings).down(print, purge=True)
            await asyncio.to_thread(shutil.rmtree, self.settings.home)


async def vmflow(settings: Settings, *arguments: str, stdin: str = "", **variables: str) -> Said:
    """Run the command line with these settings and further environment variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "VMFLOW_"))}
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("vmflow"),
        *arguments,
        cwd=ROOT,
        env={**inherited, **settings.environment(), "COLUMNS": "200", "NO_COLOR": "1", **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


async def open_workflows(objects: Objects, part: str) -> list[str]:
    """Return the ids of the running workflows that have a path component."""
    running = objects.client.list_workflows("ExecutionStatus = 'Running'")
    return sorted([each.id async for each in running if part in each.id.split("/")])


async def terminate(objects: Objects, workflow: str) -> None:
    """End a workflow without asking it; one that is gone by itself is fine."""
    with suppress(RPCError):
        await objects.client.get_workflow_handle(workflow).terminate("the test is over")
