"""Everything vmflow runs on one machine: a Temporal server, libvirt's daemons, the workers.

`up` converges: what runs and is ready stays, what is missing is started, each waited for by a condition. `down` ends
what `up` started. Guests outlive both, and so do libvirt's daemons while guests run: virtlogd holds their console logs.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from temporalio.client import Client

from domain.model import Value
from domain.problem import Problem
from manifests.contract import SEARCH_ATTRIBUTES
from manifests.core import default_namespace
from runtime import accounts, kubeconfig, libvirt_daemons, temporal_server
from runtime.client import connect, ensure_search_attributes
from runtime.dismantling import check_empty, dismantle
from runtime.histories import ensure_replayable
from runtime.machine import libvirt_uri, machine_manifests
from runtime.objects import Applied, Objects
from runtime.processes import Process, Processes
from runtime.sealing import ensure_key_file
from runtime.services import (
    GATEWAY,
    IMAGES,
    TEMPORAL,
    gateway_answers,
    gateway_process,
    images_port,
    listens,
    polls,
    taken,
    temporal_answers,
    temporal_process,
    worker_process,
    workers,
)
from runtime.settings import Settings

Progress = Callable[[str], None]
"""Takes one line for a person."""
State = Literal["running", "external", "stopped"]


class Member(Value):
    """One part of the stack.

    state: `running` under this home's supervision, `external` when it answers but somebody else runs it, or `stopped`.
    ready: it answers. where: address, URI or task queues it serves.
    pid:   its process, when it is ours; since: that process's start, ISO 8601, UTC.
    """

    name: str
    state: State
    ready: bool
    where: str
    pid: int | None = None
    since: str | None = None


class Stack:
    """The stack of one home folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._processes = Processes(settings.home)

    async def up(self, progress: Progress) -> list[Member]:
        """Start what is missing and return when everything is ready; raises the Problem of what did not get there."""
        if self._settings.external_address:
            progress(f"{TEMPORAL}: uses the server at {self._settings.temporal_address}")
        else:
            await self._start_temporal(progress)
        client = await connect(self._settings)
        await ensure_search_attributes(client, SEARCH_ATTRIBUTES)
        if self._settings.hypervisor == "libvirt":
            for daemon in await libvirt_daemons.missing():
                await self._start(daemon, progress)
        if await asyncio.to_thread(ensure_key_file, self._settings.keys):
            progress(f"{self._settings.keys}: new key for Secrets; back it up with the database")
        await self._declare(client, progress)  # before its worker, which serves what is declared
        await self._start_workers(client, progress)
        await self._start_gateway(client, progress)
        return await self.status()

    async def down(self, progress: Progress, *, purge: bool = False) -> list[str]:
        """Stop what `up` started; return the names of what was stopped.

        purge: remove what guests need in libvirt as well; raises Problem.terminal `GuestsRemain` while there are any.
        """
        purge = purge and self._settings.hypervisor == "libvirt"
        if purge:
            for daemon in await libvirt_daemons.missing():
                await self._start(daemon, progress)
            await asyncio.to_thread(check_empty, self._settings)
        names = [GATEWAY, *(worker.name for worker in workers(self._settings)), IMAGES]
        stopped = [await self._stop(name, progress) for name in names]
        if purge:
            for removed in await asyncio.to_thread(dismantle, self._settings):
                progress(f"{removed}: removed")
        if guests := await self._guests():
            progress(f"libvirt: stays, it runs {guests} guests")
        else:
            stopped += [await self._stop(name, progress) for name in libvirt_daemons.NAMES]
        stopped.append(await self._stop(TEMPORAL, progress))
        return [name for name in stopped if name]

    async def status(self) -> list[Member]:
        """Report every part; starts nothing."""
        temporal = temporal_answers(self._settings)
        members = [self._member(TEMPORAL, self._settings.temporal_address, answers=await temporal)]
        if self._settings.hypervisor == "libvirt":
            members.append(self._member("libvirtd", libvirt_uri(), answers=await libvirt_daemons.answers()))
        client = await connect(self._settings) if members[0].ready else None
        for worker in workers(self._settings):
            record = self._processes.running(worker.name)
            ready = bool(record and client and await polls(client, worker, record.identity))
            members.append(self._member(worker.name, ", ".join(worker.queues), answers=ready))
        answers = await gateway_answers(self._settings)
        members.append(self._member(GATEWAY, self._settings.gateway_url, answers=answers))
        if images := self._processes.running(IMAGES):  # the demo's; no part of a stack that does without
            port = images_port(images)
            members.append(self._member(IMAGES, f"http://127.0.0.1:{port}", answers=await listens(port)))
        return members

    async def _start_temporal(self, progress: Progress) -> None:
        await asyncio.to_thread(ensure_replayable, self._settings)
        running = self._processes.running(TEMPORAL)
        program = Path(running.argv[0]) if running else await self._find_temporal(progress)
        for port, variable in (
            (self._settings.temporal_port, "VMFLOW_TEMPORAL_PORT"),
            (self._settings.ui_port, "VMFLOW_UI_PORT"),
        ):
            self._check_free(TEMPORAL, port, variable)
        await self._start(temporal_process(self._settings, program), progress)

    def _check_free(self, name: str, port: int, variable: str) -> None:
        """Raise Problem.terminal `PortInUse` when somebody else has a process's port.

        In this order: a process that another `up` starts meanwhile is on record before it takes its port.
        """
        if taken(port) and not self._processes.running(name):
            raise Problem.terminal(
                "PortInUse",
                f"port {port} on 127.0.0.1 belongs to another program; stop that, or set {variable}",
                field=variable,
            )

    async def _start_gateway(self, client: Client, progress: Progress) -> None:
        """Start the gateway, and see that somebody may use it: a new installation gets an account, its token once."""
        self._check_free(GATEWAY, self._settings.gateway_port, "VMFLOW_GATEWAY_PORT")
        await self._start(gateway_process(self._settings), progress)
        if token := await accounts.ensure_admin(Objects(client)):
            config = kubeconfig.document(self._settings, accounts.ADMIN, token)
            await asyncio.to_thread(kubeconfig.write, kubeconfig.path(self._settings), config)
            progress(f"{GATEWAY}: the token of account {accounts.ADMIN}, shown this once: {token}")
        if await asyncio.to_thread(kubeconfig.refresh, self._settings):
            progress(f"{GATEWAY}: for kubectl: export KUBECONFIG={kubeconfig.path(self._settings)}")

    async def _find_temporal(self, progress: Progress) -> Path:
        return await asyncio.to_thread(temporal_server.ensure, self._settings, progress)

    async def _declare(self, client: Client, progress: Progress) -> None:
        """Make the default namespace, and this machine's zone and hypervisor known."""
        objects = Objects(client)
        await objects.ensure(default_namespace())
        for manifest in machine_manifests(self._settings):
            if await objects.apply(manifest) is Applied.CREATED:
                progress(f"{manifest['kind']} {manifest['metadata']['name']}: declared")

    async def _start_workers(self, client: Client, progress: Progress) -> None:
        """Start the workers side by side; when one fails, the others are still waited for."""
        processes = [worker_process(self._settings, worker, client) for worker in workers(self._settings)]
        outcomes = await asyncio.gather(*(self._start(each, progress) for each in processes), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _start(self, process: Process, progress: Progress) -> None:
        began = asyncio.get_running_loop().time()
        record, started = await self._processes.ensure_started(process)
        seconds = asyncio.get_running_loop().time() - began
        how = f"ready after {seconds:.1f} s" if started else "runs already"
        progress(f"{process.name}: {how} (process {record.identity.pid})")

    async def _stop(self, name: str, progress: Progress) -> str | None:
        if not await self._processes.ensure_stopped(name):
            return None
        progress(f"{name}: stopped")
        return name

    async def _guests(self) -> int:
        """Return how many guests depend on daemons of ours."""
        if not any(self._processes.running(name) for name in libvirt_daemons.NAMES):
            return 0
        return await libvirt_daemons.active_guests() or 0

    def _member(self, name: str, where: str, *, answers: bool) -> Member:
        record = self._processes.running(name)
        if record is None:
            return Member(name=name, state="external" if answers else "stopped", ready=answers, where=where)
        since = record.since.isoformat(timespec="seconds")
        return Member(name=name, state="running", ready=answers, where=where, pid=record.identity.pid, since=since)
