"""The figures of ADR 2, measured."""

from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from tests.docs.documents import DOCS, rows
from tests.image_server import ImageServer
from tests.world import World

(BOOTS, IS_UP) = rows((DOCS / "adr/0002-errands-are-local-activities.md").read_text(), "Consequences")


@pytest.mark.parametrize(("documented", "seconds"), [(BOOTS, 2.0), (IS_UP, 0.0)], ids=["boots", "is up"])
async def test_a_vm_from_a_cached_image_needs_as_many_events_as_documented(
    client: Client,
    tmp_path: Path,
    image_server: ImageServer,
    documented: list[str],
    seconds: float,
) -> None:
    world = World(client, tmp_path / "host", image_server, bootSeconds=seconds)
    async with world.lifecycle():
        await world.declare()
        async with world.near():
            for name in ("first", "measured"):
                await world.objects.apply(world.vm(name))
                await world.until_status("Running", name)
            kinds = [event.event_type async for event in world.handle("measured").fetch_history_events()]
            assert documented[1:] == [
                str(len(kinds)),
                str(kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)),
            ]
            for name in ("first", "measured"):
                await world.delete(name)
        await world.end()
