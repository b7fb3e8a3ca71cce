"""What the Temporal UI shows: activities' summaries and the workflow's current details tell what a VM does and why."""

import json
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata

from domain.backoff import Backoff
from drivers.simulator.control import Control
from manifests.contract import Update
from tests.manifests.examples import at
from tests.workflows.incidents import hanging, struck
from tests.world import World, eventually


@pytest.fixture
def backoff() -> Backoff:
    """A delay that no test waits for."""
    return Backoff(first=3600, cap=3600)


async def summaries(world: World) -> dict[str, set[str]]:
    """Return what the VM's activities said they were about, by the activity's name."""
    history = await world.handle().fetch_history()
    found: dict[str, set[str]] = {}
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            name = event.activity_task_scheduled_event_attributes.activity_type.name
            found.setdefault(name, set()).add(json.loads(event.user_metadata.summary.data))
    return found


async def details(world: World) -> str:
    """Return the current details, as the Temporal UI asks for them."""
    metadata: WorkflowMetadata = await world.handle().query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata
    )
    return metadata.current_details


async def told(world: World, words: str) -> None:
    """Wait until the current details say something."""
    last: list[Any] = []

    async def said() -> bool:
        last.append(await details(world))
        return str(last[-1]).startswith(words)

    try:
        await eventually(said)
    except TimeoutError:
        raise AssertionError(f"never said {words!r}; last: {last[-1]}") from None


async def test_every_activity_says_what_it_is_about(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm(strategy="Manual"))
        await world.until_status("Stopped")
        await world.ask(Update.START)
        await world.until_status("Running")
        for update, word in ((Update.PAUSE, "Paused"), (Update.UNPAUSE, "Running")):
            await world.ask(update)
            await world.until_status(word)
        manifest = at(world.vm(strategy="Manual"), "spec.storage.root.pvc.size", "8Gi")
        await world.replace(manifest)
        await world.until(lambda now: now["resources"]["disk"] == "8 GiB" and now["reason"] == "GuestBooted")
        await world.ask(Update.STOP, force=True)
        await world.until_status("Stopped")
        await world.delete()
    found = await summaries(world)
    found.pop("observe", None)  # whether a look is needed depends on what the watch saw meanwhile
    assert found == {
        "ensure_defined": {f"define the domain on {world.name}"},
        "ensure_running": {f"build and power on at {world.name}"},
        "ensure_ordered": {"pause the running guest", "unpause the running guest"},
        "ensure_fitted": {"fit the running guest to what is declared"},
        "ensure_stopped": {"end the incarnation, with 0 s of grace"},
        "ensure_removed": {f"remove the domain and its disks from {world.name}"},
    }


async def test_the_current_details_say_what_the_vm_is_doing_and_why(world: World, control: Control) -> None:
    await world.objects.apply(world.vm())
    await told(world, f"**FailedUnschedulable** (Unschedulable): {world.name}: no hypervisor of the zone is ready")
    async with world.near():
        await told(world, f"**Running** (GuestBooted): the guest is up on {world.name}")
        await world.ask(Update.PAUSE)
        await told(world, "**Paused** (Paused): the guest is paused")
        await world.ask(Update.UNPAUSE)
        await told(world, "**Running**")
        async with hanging(control, "ensure_stopped") as rule:
            await world.ask(Update.RESTART)
            await struck(control, rule)
            await told(world, "**Stopping** (ShuttingDown): asking the guest to shut down")
        await told(world, "**Running**")
        for _ in range(2):
            exits = (await world.status())["exits"]
            control.panic(await world.uid())
            await world.until(lambda now, exits=exits: now["exits"] == exits + 1)  # type: ignore[misc]
            if exits == 1:
                await world.until_status("Running")
        await told(world, "**CrashLoopBackOff** (CrashLoopBackOff): the guest's kernel panicked; it ended 2 times")
        async with hanging(control, "ensure_removed") as rule:
            await world.objects.delete(*world.key())
            await struck(control, rule)
            await told(world, "**Terminating** (Removing): removing the domain and its disks")
        await world.handle().result()


async def test_what_runs_where_is_one_query(world: World) -> None:
    async with world.near():
        for name in ("runs", "paused", "stopped"):
            await world.objects.apply(world.vm(name))
            await world.until_status("Running", name)
        await world.ask(Update.PAUSE, "paused")
        await world.ask(Update.STOP, "stopped")
        here = f"VmflowKind = 'VirtualServer' AND VmflowHypervisor = '{world.name}' AND ExecutionStatus = 'Running'"
        for word, names in (("Running", ["runs"]), ("Paused", ["paused"]), ("Stopped", ["stopped"])):

            async def listed(word: str = word, names: list[str] = names) -> bool:
                found = world.client.list_workflows(f"{here} AND VmflowStatus = '{word}'")
                return [each.id.rpartition("/")[2] async for each in found] == names

            await eventually(listed)
        for name in ("runs", "paused", "stopped"):
            await world.delete(name)
