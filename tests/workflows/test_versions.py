"""Versions of a VM: every change that is published is another one, and an edit may name the one it was made for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from manifests.contract import ReplaceAnswer, ReplaceRequest, Signal, Update
from manifests.registry import kind_called
from tests.workflows.declared import refusal_of
from tests.world import World, eventually


async def edit(world: World, change: dict[str, Any], version: str = "", request: str = "") -> ReplaceAnswer:
    """Edit a VM: fields of its metadata."""
    manifest = world.vm(strategy="Halted")
    manifest["metadata"] |= change
    asked = ReplaceRequest(manifest=manifest, resource_version=version, request=request)
    answer: ReplaceAnswer = await world.handle().execute_update(Update.REPLACE, asked, result_type=ReplaceAnswer)
    return answer


async def version(world: World) -> str:
    return str((await world.get())["metadata"]["resourceVersion"])


@pytest.fixture
async def halted(world: World) -> AsyncIterator[World]:
    """A VM that is not to run: nothing changes by itself."""
    async with world.near():
        await world.objects.apply(world.vm(strategy="Halted"))
        await world.until_status("Stopped")
        yield world


async def test_an_edit_of_labels_is_read_back_at_once_and_is_no_new_generation(halted: World) -> None:
    before = await version(halted)
    answer = await edit(halted, {"finalizers": ["a.example/b"], "managedFields": [{"manager": "kubectl"}]}, before)
    metadata = (await halted.get())["metadata"]
    assert (metadata["finalizers"], metadata["managedFields"]) == (["a.example/b"], [{"manager": "kubectl"}])
    assert (metadata["generation"], answer.generation) == (1, 1)
    assert (metadata["resourceVersion"], answer.resource_version) == (answer.resource_version, await version(halted))
    assert int(answer.resource_version) > int(before)


async def test_an_edit_of_another_version_is_refused(halted: World) -> None:
    before = await version(halted)
    await edit(halted, {"annotations": {"note": "one"}}, before)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await edit(halted, {"annotations": {"note": "two"}}, before)
    assert refusal_of(caught).type == "Conflict"
    assert (await halted.get())["metadata"]["annotations"] == {"note": "one"}


async def test_a_repeated_request_is_no_conflict_with_itself(halted: World) -> None:
    before = await version(halted)
    first = await edit(halted, {"annotations": {"note": "one"}}, before, request="once")
    again = await edit(halted, {"annotations": {"note": "one"}}, before, request="once")
    assert again == first


async def test_a_wake_that_changes_nothing_makes_no_version(halted: World) -> None:
    before = await halted.get()
    await halted.handle().signal(Signal.WAKE, "room")
    await edit(halted, {})
    assert await halted.get() == before


async def test_what_is_being_deleted_says_since_when(halted: World) -> None:
    kind = kind_called("zones")
    await halted.objects.delete(kind, halted.name)

    async def going() -> bool:
        return "deletionTimestamp" in (await halted.objects.get(kind, halted.name))["metadata"]

    await eventually(going)
