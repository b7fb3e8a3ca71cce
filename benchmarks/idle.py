"""What VMs cost that nobody asks anything of: events in their histories, time and memory of the workers.

Many simulated guests are up; then nothing happens for ten minutes, or `--seconds`. The limits are promises: not
one event, and less than a hundredth of one core.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.events import make_disk
from benchmarks.harness import NAMESPACE, delete, machine, report, say, stack
from manifests.contract import SearchAttribute
from manifests.registry import kind_called
from runtime.objects import Objects
from runtime.processes import Processes
from runtime.services import TEMPORAL, workers
from runtime.settings import Settings
from runtime.wait import until

LIMIT = 0.01
"""Share of one core that all workers together may use."""

SLICES = 10
"""How many parts the time is cut into; their median and spread are reported."""

AT_ONCE = 50
"""How many VMs are declared, looked at or deleted at the same time."""

QUIET = 20.0
"""Seconds without an event after which everything has come to rest."""

PATIENCE = 1800.0
"""Seconds that declaring, settling or deleting all VMs may take."""


class Use(NamedTuple):
    """What processes have used: seconds of processor time so far, bytes of resident memory now."""

    seconds: float
    memory: int


async def main(machines: int, seconds: float) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as images:
        await asyncio.to_thread(make_disk, Path(images, "disk.qcow2"))
        async with stack("simulator", Path(images), cpus=machines, memory=f"{machines}Gi") as (objects, url, settings):
            names = [f"vm{number}" for number in range(machines)]
            empty = _use(settings)
            async with asyncio.timeout(PATIENCE):
                await _declare(objects, names, f"{url}/disk.qcow2")
                events = await _at_rest(objects)
            say(f"{machines} VMs are at rest with {events} events; now nothing happens for {seconds:.0f} s")
            shares, server, used = await _measure(settings, seconds)
            added = await _events(objects) - events
            share = sum(shares) / len(shares)
            report(
                "idle",
                [100 * each for each in shares],
                ratio=share / LIMIT + added,
                goal=1.0,
                limit=100 * LIMIT,
                unit="percent of one core, all workers",
                machines=machines,
                seconds=seconds,
                events=added,
                kib_per_machine=round(used.memory / machines / 1024, 1),
                kib_per_machine_above_none=round((used.memory - empty.memory) / machines / 1024, 1),
                temporal_percent=round(100 * server, 3),
            )
            async with asyncio.timeout(PATIENCE):
                await _each(names, lambda name: delete(objects, name))
                await until(lambda: _none(objects), every=0.5)


async def _declare(objects: Objects, names: list[str], image: str) -> None:
    """Declare the first VM, whose image is imported; then the others, some at a time; and wait until each is up."""
    began = time.monotonic()
    first, *others = names
    groups = [[first], *(others[start : start + AT_ONCE] for start in range(0, len(others), AT_ONCE))]
    up = 0
    for group in groups:
        await _each(group, lambda name: objects.apply(machine(name, image)))
        up += len(group)
        await until(partial(_up, objects, up), every=0.5)
        say(f"{up} VMs are up after {time.monotonic() - began:.0f} s")


async def _up(objects: Objects, count: int) -> bool:
    """Tell whether so many guests are up."""
    running = f"{SearchAttribute.NAMESPACE} = '{NAMESPACE}' AND {SearchAttribute.STATUS} = 'Running'"
    return (await objects.client.count_workflows(f"{running} AND ExecutionStatus = 'Running'")).count >= count


async def _none(objects: Objects) -> bool:
    """Tell whether lists have heard that all VMs are gone."""
    return not await objects.list(kind_called("virtualservers"), NAMESPACE)


async def _at_rest(objects: Objects) -> int:
    """Return the number of events of all objects once no more are added."""
    events, since = await _events(objects), time.monotonic()
    while time.monotonic() - since < QUIET:
        await asyncio.sleep(1.0)
        now = await _events(objects)
        if now != events:
            events, since = now, time.monotonic()
    return events


async def _events(objects: Objects) -> int:
    """Return the number of events of all open workflows."""
    total = 0

    async def count(workflow: str) -> None:
        nonlocal total
        description = await objects.client.get_workflow_handle(workflow).describe()
        total += description.history_length

    ids = [each.id async for each in objects.client.list_workflows("ExecutionStatus = 'Running'", page_size=100)]
    await _each(ids, count)
    return total


async def _measure(settings: Settings, seconds: float) -> tuple[list[float], float, Use]:
    """Let time pass; return the workers' shares of a core, slice by slice, the server's, and the workers' use after."""
    shares = []
    began, server = time.monotonic(), _use(settings, [TEMPORAL])
    for _ in range(SLICES):
        since, before = time.monotonic(), _use(settings)
        await asyncio.sleep(seconds / SLICES)
        shares.append((_use(settings).seconds - before.seconds) / (time.monotonic() - since))
    busy = _use(settings, [TEMPORAL]).seconds - server.seconds
    return shares, busy / (time.monotonic() - began), _use(settings)


def _use(settings: Settings, names: Iterable[str] = ()) -> Use:
    """Return what processes of the stack have used; all workers unless told which."""
    seconds, memory = 0.0, 0
    for name in names or [each.name for each in workers(settings)]:
        record = Processes(settings.home).running(name)
        if record is None:
            raise RuntimeError(f"{name} does not run")
        process = Path(f"/proc/{record.identity.pid}")
        fields = (process / "stat").read_text().rpartition(")")[2].split()  # proc_pid_stat(5); the first one is state
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        memory += int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Use(seconds, memory)


async def _each(names: Iterable[str], do: Callable[[str], Awaitable[object]]) -> None:
    """Do something for every name, a number of them at once."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with slots:
            await do(name)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle", description=__doc__)
    parser.add_argument("--machines", type=int, default=1000, help="how many VMs (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long nothing happens (default: %(default)s)")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.machines, chosen.seconds))
