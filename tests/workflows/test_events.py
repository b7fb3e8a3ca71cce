"""What a life costs: the server's capacity is its events, so their number is part of the specification."""

import json
from collections import Counter

from temporalio.api.enums.v1 import EventType

from manifests.contract import Signal
from tests.world import World


async def events(world: World, name: str = "vm") -> Counter[str]:
    """Return how many events of each type a VM's history has."""
    history = await world.handle(name).fetch_history()
    return Counter(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events)


async def test_a_vm_from_a_cached_image_is_running_within_thirty_events(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm("first"))
        await world.until_status("Running", "first")
        await world.objects.apply(world.vm("second"))
        await world.until_status("Running", "second")
        found = await events(world, "second")
        assert found.total() <= 30, found
        assert found["ACTIVITY_TASK_SCHEDULED"] == 1
        assert found["WORKFLOW_EXECUTION_SIGNALED"] == 0
        for name in ("first", "second"):
            await world.delete(name)


async def test_a_vm_at_rest_has_no_timer(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        found = await events(world)
        assert found["TIMER_STARTED"] == found["TIMER_CANCELED"]
        await world.delete()


async def test_agent_and_address_of_a_booting_guest_make_one_wake(world: World) -> None:
    world.simulator["bootSeconds"] = 1.5
    await world.redeclare()
    await world.objects.apply(world.vm())
    await world.until_status("FailedUnschedulable")
    async with world.near():
        await world.until(lambda status: status.get("reason") == "GuestBooting")
        assert (await world.until_status("Running"))["guest"]["agentConnected"] is True
        assert await wakes(world) == ["room", "image", "guest"]
        await world.delete()


async def wakes(world: World) -> list[str]:
    """Return what a VM was woken about, in order."""
    history = await world.handle().fetch_history()
    signals = [event.workflow_execution_signaled_event_attributes for event in history.events]
    return [json.loads(signal.input.payloads[0].data) for signal in signals if signal.signal_name == Signal.WAKE]
