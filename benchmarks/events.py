"""History events from declaring a VM whose image is cached to Running: the Temporal server's capacity is the cost."""

import asyncio
import statistics
import subprocess
import tempfile
from pathlib import Path

from benchmarks.harness import NAMESPACE, delete, machine, report, stack, until_status
from manifests.registry import kind_called

GOAL = 45
RUNS = 9


async def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as images:
        await asyncio.to_thread(make_disk, Path(images, "disk.qcow2"))
        async with stack("simulator", Path(images)) as (objects, url, _):
            await objects.apply(machine("first", f"{url}/disk.qcow2"))
            await until_status(objects, "first", "Running")
            counts = []
            for number in range(RUNS):
                name = f"vm{number}"
                await objects.apply(machine(name, f"{url}/disk.qcow2"))
                await until_status(objects, name, "Running")
                description = await objects.describe(kind_called("virtualservers"), name, NAMESPACE)
                counts.append(float(description.history_length))
                await delete(objects, name)
            await delete(objects, "first")
    report("events", counts, ratio=statistics.median(counts) / GOAL, goal=1.0, limit=GOAL, unit="history events")


def make_disk(path: Path) -> None:
    """Make an empty image."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1G"], check=True)


if __name__ == "__main__":
    asyncio.run(main())
