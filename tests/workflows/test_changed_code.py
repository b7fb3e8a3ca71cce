"""New worker code over lives that began under the old: a change behind a patch, and the same one without."""

from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from manifests.contract import Update
from tests.image_server import ImageServer
from tests.workflows.changed import PATCH, Patched, Unpatched
from tests.world import World
from workers import lifecycle
from workflows.virtual_machine import VirtualMachine


@pytest.fixture
def world_without_workers(client: Client, tmp_path: Path, image_server: ImageServer) -> World:
    return World(client, tmp_path / "host", image_server)


async def replayed(history: WorkflowHistory, code: type[VirtualMachine]) -> None:
    replayer = Replayer(workflows=[code], workflow_runner=lifecycle.sandbox(), data_converter=pydantic_data_converter)
    await replayer.replay_workflow(history)


def took_the_new_way(history: WorkflowHistory) -> bool:
    markers = [
        event.marker_recorded_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED
    ]
    return any(PATCH in str(marker.details) for marker in markers)


async def test_fault_26_lives_begun_under_old_code_go_on_under_patched_code_and_new_ones_take_the_new_way(
    world_without_workers: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_without_workers
    async with world.near() as driver:
        async with world.lifecycle():
            await world.declare()
            await world.objects.apply(world.vm("old"))
            await world.until_status("Running", "old")
        monkeypatch.setattr(lifecycle, "VirtualMachine", Patched)
        async with world.lifecycle():
            await world.ask(Update.RESTART, "old")
            await world.until(lambda now: now["exits"] == 1 and now["printableStatus"] == "Running", "old")
            await world.objects.apply(world.vm("new"))
            await world.until_status("Running", "new")
            old, new = [await world.handle(name).fetch_history() for name in ("old", "new")]
            for name in ("old", "new"):
                await world.delete(name)
            await world.audit(driver)
            await world.end()
    assert (took_the_new_way(old), took_the_new_way(new)) == (False, True)
    for history in (old, new):
        await replayed(history, Patched)
    await replayed(old, VirtualMachine)
    with pytest.raises(NondeterminismError):
        await replayed(new, VirtualMachine)
    with pytest.raises(NondeterminismError):
        await replayed(old, Unpatched)
