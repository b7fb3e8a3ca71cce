"""Rounds: every VM concerned hears the word, and nobody else."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.testing import ActivityEnvironment

from activities.rounds import Opening, Rounds
from manifests.contract import OBJECT_MEMO, SearchAttribute
from tests.activities.scene import wakes
from tests.world import eventually

Handle = WorkflowHandle[Any, Any]
Open = Callable[..., Awaitable[Handle]]


@pytest.fixture
def name() -> str:
    return f"r{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def vm(client: Client, name: str) -> AsyncIterator[Open]:
    """Opens VMs that nobody works for; the function returns when lists show them."""
    handles: list[Handle] = []

    async def opened(*, zone: str = "", **attributes: str) -> Handle:
        pairs = {
            SearchAttribute.KIND: "VirtualServer",
            **{SearchAttribute[key]: value for key, value in attributes.items()},
        }
        labels = {"labels": {"topology.kubernetes.io/zone": zone}} if zone else {}
        handle = await client.start_workflow(
            "VirtualMachine",
            id=f"VirtualServer/{name}/{uuid.uuid4().hex[:8]}",
            task_queue="nobody",
            memo={OBJECT_MEMO: {"metadata": labels}},
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(SearchAttributeKey.for_keyword(key.value), value) for key, value in pairs.items()]
            ),
        )
        handles.append(handle)

        async def listed() -> bool:
            query = f"WorkflowId = '{handle.id}' AND {SearchAttribute.KIND} = 'VirtualServer'"
            return (await client.count_workflows(query)).count > 0

        await eventually(listed)
        return handle

    yield opened
    for handle in handles:
        await handle.terminate()


async def test_every_vm_on_a_lost_hypervisor_is_told_and_no_other(client: Client, name: str, vm: Open) -> None:
    here, there = [await vm(HYPERVISOR=name) for _ in range(2)], await vm(HYPERVISOR=f"{name}-other")
    assert await ActivityEnvironment().run(Rounds(client).tell_lost, name) == 2
    assert [await wakes(each) for each in (*here, there)] == [["lost"], ["lost"], []]


async def test_a_new_zone_wakes_who_may_live_there_has_no_room_and_never_asked_it(
    client: Client, name: str, vm: Open
) -> None:
    unplaced = {"STATUS": "FailedUnschedulable"}
    anywhere, here = await vm(**unplaced), await vm(zone=name, **unplaced)
    elsewhere, asked = await vm(zone=f"{name}-other", **unplaced), await vm(**unplaced)
    placed = await vm(STATUS="Running")
    assert await ActivityEnvironment().run(Rounds(client).wake_unplaced, Opening(zone=name, known=(asked.id,))) >= 2
    everybody = (anywhere, here, elsewhere, asked, placed)
    assert [await wakes(each) for each in everybody] == [["room"], ["room"], [], [], []]
