"""Reading a guest's serial console: one short workflow, readable for as long as closed workflows are kept."""

import uuid

import pytest
from temporalio.client import WorkflowFailureError

from manifests.contract import LIFECYCLE_QUEUE, ConsoleRequest, WorkflowType
from tests.world import World


async def read(world: World, uid: str, limit: int = 65536) -> str:
    text: str = await world.client.execute_workflow(
        WorkflowType.CONSOLE,
        ConsoleRequest(hypervisor=world.name, uid=uid, limit=limit),
        id=f"Console/{world.name}/{uuid.uuid4()}",
        task_queue=LIFECYCLE_QUEUE,
        result_type=str,
    )
    return text


async def test_the_end_of_the_console_is_read_near_the_hypervisor(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        uid = await world.uid()
        text = await read(world, uid)
        assert "Linux version" in text
        assert text.endswith("Debian GNU/Linux 12 vm ttyS0\r\n")
        assert await read(world, uid, limit=7) == text[-7:]
        await world.delete()
        assert await read(world, uid) == ""


@pytest.mark.usefixtures("hasty")
async def test_reading_where_nobody_serves_fails_instead_of_waiting(world: World) -> None:
    with pytest.raises(WorkflowFailureError):
        await read(world, "uid")
