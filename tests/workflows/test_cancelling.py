"""Cancelling an object's workflow, as people do in the Temporal UI, is asking for its deletion: it ends as orderly."""

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind
from manifests.contract import SearchAttribute
from manifests.registry import kind_called
from tests.world import World, eventually

STATUS = SearchAttributeKey.for_keyword(SearchAttribute.STATUS.value)


async def cancelled(world: World, object_id: str) -> str:
    """Cancel a workflow and return its result."""
    handle = world.client.get_workflow_handle(object_id, result_type=str)
    await handle.cancel()
    result: str = await handle.result()
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    return result


async def test_cancelling_a_zone_with_a_hypervisor_waits_until_it_is_empty(world: World) -> None:
    async with world.near():

        async def joined() -> bool:
            return world.name in (await world.zone_status())["hypervisors"]

        await eventually(joined)
        zone = world.client.get_workflow_handle(f"Zone/{world.name}")
        await zone.cancel()

        async def terminating() -> bool:
            return str((await zone.describe()).typed_search_attributes.get(STATUS)) == "Terminating"

        await eventually(terminating)
        assert await cancelled(world, f"Hypervisor/{world.name}") == "deleted; its VMs stay as they are"
        assert await zone.result() == "deleted; no hypervisor and no VM is left in it"


async def test_cancelling_an_image_removes_its_copies(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.delete()
        (image,) = await world.images()
        result = await cancelled(world, f"Image/{world.name}/{image['metadata']['name']}")
        assert result == "gone; no copy is left"
        assert list(driver.images.glob("*.qcow2")) == []


@pytest.mark.parametrize("call", ["prepare", "changes"])
async def test_cancelling_a_hypervisor_ends_it_whatever_it_waits_for(world: World, control: Control, call: str) -> None:
    control.faults.inject(Fault(call=call, kind=Kind.WITNESS, times=None))
    async with world.near():

        async def begun() -> bool:
            return bool(control.faults.firings())

        await eventually(begun)
        assert await cancelled(world, f"Hypervisor/{world.name}") == "deleted; its VMs stay as they are"
        assert world.name not in (await world.zone_status())["hypervisors"]


@pytest.mark.parametrize("kind", ["zones", "images", "hypervisors"])
async def test_cancelling_what_was_never_accepted_ends_it(world: World, kind: str) -> None:
    row = kind_called(kind)
    object_id = f"{row.kind}/{world.name}-refused"
    await world.client.start_workflow(row.workflow, "no manifest", id=object_id, task_queue=row.queue)
    assert await cancelled(world, object_id) == "deleted; its manifest was never accepted"
