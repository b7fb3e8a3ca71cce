"""`kubectl get vs -A` over 1,000 VMs, and a watch that sees 100 changes, against Temporal's own list of the same VMs.

The limit underneath is one list with its memos read, as any Temporal client does it; both in turns, in one run. The VMs
are plain workflow starts in a zone without hypervisors: they wait, and cost nothing but their entry in the list. Their
changes are made over Temporal, so the gateway must find out. One change is made when the one before was seen.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.harness import PATIENCE, machine, report, say, stack
from manifests.contract import OBJECT_MEMO, ReplaceRequest
from manifests.registry import kind_called
from runtime import kubeconfig
from runtime.objects import Document, Objects
from runtime.settings import Settings
from runtime.wait import until

GOAL = 3.0
MACHINES = 1_000
CHANGES = 100
RUNS = 9
AT_ONCE = 20
CROWD = "crowd"
"""Namespace of the VMs. Nothing is built for them, so nothing of them is deleted: the stack goes with its home."""
_VM = kind_called("virtualservers")


async def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as images:
        async with stack("simulator", Path(images)) as (objects, _, settings):
            await _declare(objects)
            raw, listed = [], []
            for number in range(RUNS):
                raw.append(await _took(lambda: _raw(objects)))
                listed.append(await _took(lambda: _kubectl(settings)))
                say(f"run {number + 1} of {RUNS}: Temporal {raw[-1]:.3f} s, kubectl get vs -A {listed[-1]:.3f} s")
            before = [await _took(lambda: _raw(objects)) for _ in range(RUNS // 2)]
            seen = await _watched(objects, settings)
            after = [await _took(lambda: _raw(objects)) for _ in range(RUNS // 2)]
    for name, measured, other in (("gateway", listed, raw), ("gateway-watch", seen, before + after)):
        underneath = statistics.median(other)
        ratio = statistics.median(measured) / underneath
        report(name, measured, ratio=ratio, goal=GOAL, against="Temporal's list", other=round(underneath, 3))


async def _declare(objects: Objects) -> None:
    """Start the VMs and wait until every one has said that it waits."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            await objects.create(_machine(number))

    await asyncio.gather(*(one(number) for number in range(MACHINES)))
    say(f"{MACHINES} VMs are declared")

    async def settled() -> bool:
        return all("status" in each for each in await objects.list(_VM, CROWD))

    async with asyncio.timeout(PATIENCE):
        await until(settled, every=1.0)


def _machine(number: int, change: str = "none") -> Document:
    document = machine(f"vm{number:04}", "http://127.0.0.1/disk.qcow2")
    labels = {"topology.kubernetes.io/zone": "nowhere", "change": change}
    document["metadata"] = {"name": document["metadata"]["name"], "namespace": CROWD, "labels": labels}
    return document


async def _took(work: Callable[[], Awaitable[int]]) -> float:
    began = time.monotonic()
    found = await work()
    took = time.monotonic() - began
    if found != MACHINES:
        raise RuntimeError(f"{found} VMs were listed, and there are {MACHINES}")
    return took


async def _raw(objects: Objects) -> int:
    return len([await each.memo_value(OBJECT_MEMO) async for each in objects.executions(_VM)])


async def _kubectl(settings: Settings) -> int:
    process = await _started(settings, "get", "vs", "-A", "--no-headers")
    out, _ = await process.communicate()
    return len(out.splitlines())


async def _watched(objects: Objects, settings: Settings) -> list[float]:
    """Return how long a watch took to tell of each change, from when Temporal accepted it."""
    process = await _started(
        settings, "get", "vs", "-A", "--watch-only", "-o", "jsonpath={.metadata.labels.change}{'\\n'}"
    )
    if process.stdout is None:
        raise RuntimeError("kubectl has no output to read")
    await _seen(objects, process.stdout, -1)  # the watch is there when it tells of something
    seen = [await _seen(objects, process.stdout, number) for number in range(CHANGES)]
    process.terminate()
    await process.wait()
    return seen


async def _seen(objects: Objects, told: asyncio.StreamReader, number: int) -> float:
    word = f"n{number + 1}"
    document = _machine(max(number, 0), word)
    while True:
        await objects.replace(document, ReplaceRequest(manifest=document))
        accepted = time.monotonic()
        try:
            async with asyncio.timeout(10):
                while (await told.readline()).decode().strip() != word:
                    pass
        except TimeoutError:
            if number >= 0:
                raise
            word += "x"  # the watch had not begun: what it was to tell of is past
            document = _machine(0, word)
            continue
        return time.monotonic() - accepted


async def _started(settings: Settings, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "kubectl",
        f"--cache-dir={settings.home}/cache",
        *words,
        env={**os.environ, "KUBECONFIG": str(kubeconfig.path(settings))},
        stdout=asyncio.subprocess.PIPE,
    )


if __name__ == "__main__":
    asyncio.run(main())
