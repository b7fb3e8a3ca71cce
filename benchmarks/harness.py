"""What benchmarks share: a stack of their own, and one JSON line each."""

import asyncio
import json
import signal
import socket
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml

from manifests.registry import kind_called
from runtime.client import connect
from runtime.machine import machine_manifests
from runtime.objects import Document, Objects
from runtime.processes import Processes
from runtime.services import images_process
from runtime.settings import Settings
from runtime.stack import Stack
from runtime.wait import until

PATIENCE = 300.0
"""Seconds anything may take before a benchmark gives up."""

NAMESPACE = "bench"
_VM = kind_called("virtualservers")


def report(name: str, measured: Sequence[float], *, ratio: float, goal: float, **more: Any) -> None:  # noqa: ANN401 - JSON
    """Print the line. ratio and goal: smaller is better; spread is the distance between the quartiles."""
    quartiles = statistics.quantiles(measured, n=4) if len(measured) > 1 else [measured[0]] * 3
    line = {
        "name": name,
        "ratio": round(ratio, 3),
        "median": round(statistics.median(measured), 3),
        "spread": round(quartiles[2] - quartiles[0], 3),
        "runs": len(measured),
        "goal": goal,
        "met": ratio <= goal,
        **more,
    }
    print(json.dumps(line), flush=True)


def say(text: str) -> None:
    """Tell a person what is going on; standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def free_ports(count: int) -> list[int]:
    """Return loopback ports nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@asynccontextmanager
async def stack(
    hypervisor: Literal["libvirt", "simulator"],
    images: Path,
    **simulator: Any,  # noqa: ANN401 - JSON
) -> AsyncIterator[tuple[Objects, str, Settings]]:
    """Run a whole stack with a home and ports of its own; give its objects and the URL of the folder of images.

    simulator: fields of a simulated hypervisor's manifest. A benchmark that is told to end (SIGTERM) takes it down.
    """
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _task().cancel)
    temporal, pages, server, gateway = free_ports(4)
    with _home() as home:
        settings = Settings(
            home=home,
            external_address=None,
            temporal_port=temporal,
            ui_port=pages,
            gateway_port=gateway,
            hypervisor=hypervisor,
            allowed_networks=["127.0.0.0/8"],
        )
        processes = Processes(settings.home)
        if hypervisor == "simulator":
            _declare_simulator(settings, simulator)
        try:
            await processes.ensure_started(images_process(images, server))
            await Stack(settings).up(say)
            objects = Objects(await connect(settings))
            try:
                yield objects, f"http://127.0.0.1:{server}", settings
            finally:
                for each in await objects.list(_VM, NAMESPACE):
                    await delete(objects, each["metadata"]["name"])
        finally:
            await Stack(settings).down(say, purge=True)


def _task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a stack is started by a task")
    return task


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vmflow-bench-") as home:
        Path(home).chmod(0o755)  # QEMU's user must get at the volumes
        yield Path(home)


def _declare_simulator(settings: Settings, fields: dict[str, Any]) -> None:
    """Make simulated guests boot in a second: one that is up at once would save the events that tell it booted."""
    manifest = machine_manifests(settings)[-1]
    manifest["spec"]["simulator"] |= {"bootSeconds": 1.0, **fields}
    (settings.manifests / "hypervisor.yaml").write_text(yaml.safe_dump(manifest))


def machine(name: str, url: str, *, memory: str = "256Mi", strategy: str = "Always") -> Document:
    """Return a small VM."""
    return {
        "apiVersion": _VM.api_version,
        "kind": _VM.kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "resources": {"cpu": {"cores": 1}, "memory": memory},
            "storage": {"root": {"pvc": {"size": "4Gi"}, "source": {"http": {"url": url}}}},
            "runStrategy": strategy,
        },
    }


async def until_status(objects: Objects, name: str, word: str) -> Document:
    """Wait until a VM has a printable status."""

    async def there() -> bool:
        return bool((await objects.get(_VM, name, NAMESPACE)).get("status", {}).get("printableStatus") == word)

    async with asyncio.timeout(PATIENCE):
        await until(there, every=0.05)
    return await objects.get(_VM, name, NAMESPACE)


async def delete(objects: Objects, name: str) -> None:
    """Delete a VM and wait until its life is over."""
    handle = objects.client.get_workflow_handle((await objects.describe(_VM, name, NAMESPACE)).id)
    await objects.delete(_VM, name, NAMESPACE)
    async with asyncio.timeout(PATIENCE):
        await handle.result()
