import collections
from pathlib import Path
import pytest
from temporalio.client import Client
from tests.world import World
from tests.image_server import ImageServer
from tests.disks import empty_qcow2
from temporalio.api.enums.v1 import EventType

@pytest.mark.parametrize("boot", [0.0, 1.5])
async def test_m(client: Client, tmp_path: Path, boot: float) -> None:
    with ImageServer() as server:
        server.serve("disk.qcow2", empty_qcow2())
        world = World(client, tmp_path / "host", server, bootSeconds=boot)
        async with world.lifecycle():
            await world.declare()
            async with world.near():
                for name in ("first", "second", "third"):
                    await world.objects.apply(world.vm(name))
                    await world.until(lambda s: s.get("printableStatus") == "Running", name)
                    kinds = collections.Counter()
                    seq = []
                    async for e in world.handle(name).fetch_history_events():
                        kinds[EventType.Name(e.event_type)[11:]] += 1
                        seq.append(EventType.Name(e.event_type)[11:])
                    print(boot, name, sum(kinds.values()), kinds["ACTIVITY_TASK_SCHEDULED"], kinds["MARKER_RECORDED"], kinds["WORKFLOW_TASK_STARTED"], kinds["WORKFLOW_EXECUTION_SIGNALED"], kinds["TIMER_STARTED"])
                    if name == "second": print(seq)
                for name in ("first", "second", "third"):
                    await world.delete(name)
            await world.end()
