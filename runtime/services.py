"""The processes of a stack, as data: what to start, and by which condition to tell that it works."""

import asyncio
import socket
import ssl
import sys
from pathlib import Path
from typing import NamedTuple

import httpx
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import Client
from temporalio.service import RPCError

from domain.problem import Problem
from manifests.contract import LEDGER_QUEUE, LIFECYCLE_QUEUE, hypervisor_queue
from runtime.client import connect
from runtime.launch import Identity
from runtime.pollers import last_poll
from runtime.processes import Process, Record, started_at
from runtime.settings import Settings
from runtime.wait import Condition

TEMPORAL = "temporal"
IMAGES = "images"
GATEWAY = "gateway"
DYNAMIC_CONFIG = {
    "frontend.namespaceRPS.visibility": 1000,  # every list and watch asks visibility; a development server allows 100
    "history.maxInFlightUpdates": 100,  # of one workflow; many lifecycle workers claim room in one zone (errands.py)
}
"""Where our Temporal server departs from its defaults (https://docs.temporal.io/references/dynamic-configuration)."""
_PROBE_PATIENCE = 2.0
"""Seconds one look at a server may take; the look is repeated."""


class Worker(NamedTuple):
    """One worker process: its name, the arguments of `python -m workers`, and the task queues it must come to serve."""

    name: str
    arguments: tuple[str, ...]
    queues: tuple[str, ...]
    kind: "TaskQueueType.ValueType"


def workers(settings: Settings) -> list[Worker]:
    """Return the workers this machine runs."""
    flows, steps = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    served = [Worker("lifecycle", ("lifecycle",), (LIFECYCLE_QUEUE, LEDGER_QUEUE), flows)]
    if settings.hypervisor != "none":
        name = settings.hypervisor_name
        # As an argument, not only in the environment: `up` replaces a worker that does otherwise than it should.
        allowed = [word for cidr in settings.allowed_networks for word in ("--allow-network", cidr)]
        arguments = ("hypervisor", "--name", name, "--stream-address", settings.stream_address, *allowed)
        served.append(Worker("hypervisor", arguments, (hypervisor_queue(name),), steps))
    return served


def temporal_process(settings: Settings, program: Path, *, pages: bool = True) -> Process:
    """Return the Temporal server over the home's SQLite file, whose folder it makes for its owner alone.

    pages: with its web pages.
    """
    settings.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    argv = [str(program), "server", "start-dev", "--ip", "127.0.0.1", "--log-level", "warn"]
    argv += ["--port", str(settings.temporal_port)]
    argv += ["--ui-port", str(settings.ui_port)] if pages else ["--headless"]
    argv += ["--db-filename", str(settings.database), "--namespace", settings.temporal_namespace]
    for key, value in DYNAMIC_CONFIG.items():
        argv += ["--dynamic-config-value", f"{key}={value}"]
    return Process(TEMPORAL, argv, ready=lambda _: lambda: temporal_answers(settings))


def worker_process(settings: Settings, worker: Worker, client: Client) -> Process:
    """Return the process of one worker; it is ready when it polls its task queue."""

    def ready(identity: Identity) -> Condition:
        return lambda: polls(client, worker, identity)

    argv = [sys.executable, "-m", "workers", *worker.arguments]
    return Process(worker.name, argv, ready, env=settings.environment(), patience=120.0)


def gateway_process(settings: Settings) -> Process:
    """Return the gateway; it is ready when it answers over TLS and reaches Temporal."""
    # As arguments, not only in the environment: `up` replaces a gateway that listens elsewhere than it should.
    argv = [sys.executable, "-m", "api", "--listen", settings.gateway_listen, "--port", str(settings.gateway_port)]
    argv += [word for name in settings.gateway_names for word in ("--name", name)]
    return Process(GATEWAY, argv, ready=lambda _: lambda: gateway_answers(settings), env=settings.environment())


async def gateway_answers(settings: Settings) -> bool:
    """Tell whether this machine's gateway is up, with the certificate its clients trust."""
    trusted = settings.gateway_directory / "ca.crt"
    if not await asyncio.to_thread(trusted.exists):
        return False
    context = ssl.create_default_context(cafile=trusted)
    try:
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=_PROBE_PATIENCE) as client:
            return (await client.get(f"{settings.gateway_url}/readyz")).is_success
    except httpx.TransportError:
        return False


def images_process(folder: Path, port: int) -> Process:
    """Return a server of the images in a folder, on loopback."""
    argv = [sys.executable, "-m", "runtime.image_server", "--directory", str(folder), "--port", str(port)]
    return Process(IMAGES, argv, ready=lambda _: lambda: listens(port))


def images_port(record: Record) -> int:
    """Return the port of a running image server: the last of its arguments."""
    return int(record.argv[-1])


async def listens(port: int) -> bool:
    """Tell whether somebody accepts connections on that loopback port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def temporal_answers(settings: Settings) -> bool:
    """Tell whether the Temporal server is up and has the namespace."""
    try:
        client = await connect(settings, patience=_PROBE_PATIENCE)
        await client.count_workflows()
    except (Problem, RPCError):
        return False
    return True


async def polls(client: Client, worker: Worker, identity: Identity) -> bool:
    """Tell whether somebody has asked each of the worker's task queues for work since that process started.

    The server remembers pollers for minutes after they are gone, so an older one proves nothing.
    """
    since = started_at(identity)
    polled = [await last_poll(client, queue, worker.kind) for queue in worker.queues]
    return all(last is not None and last >= since for last in polled)


def taken(port: int) -> bool:
    """Tell whether a program listens on that loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
