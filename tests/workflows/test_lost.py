"""What a hypervisor out of reach means for VMs at rest: nothing is known of them, and nothing is done to them."""

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from activities import neighbours, watch
from domain.problem import Problem
from drivers.simulator.control import Control
from manifests.contract import Signal
from manifests.registry import kind_called
from tests.world import World, eventually
from workflows import options


def scheduled(history: WorkflowHistory) -> list[str]:
    """Return the activities a workflow has scheduled, in order."""
    events = [each for each in history.events if each.event_type is EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED]
    return [each.activity_task_scheduled_event_attributes.activity_type.name for each in events]


async def until_hypervisor(world: World, reason: str) -> None:
    async def there() -> bool:
        return (await world.hypervisor_status()).get("reason") == reason

    await eventually(there)


@pytest.mark.usefixtures("hasty")
async def test_vms_at_rest_are_told_that_their_hypervisor_is_lost_and_looked_at_on_its_return(
    world: World, control: Control
) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        running = await world.until_status("Running")
        before = scheduled(await world.handle().fetch_history())
        control.unreachable(cut=True)
        status = await world.until_status("Unknown")
        assert (status["reason"], status["vm"]) == ("HypervisorLost", running["vm"])
        assert scheduled(await world.handle().fetch_history()) == before
        control.unreachable(cut=False)
        again = await world.until_status("Running")
        assert (again["vm"], again["exits"]) == (running["vm"], 0)
        await until_hypervisor(world, "Watching")
        await world.delete()


@pytest.mark.usefixtures("hasty")
async def test_vms_at_rest_are_told_once_that_nobody_serves_their_hypervisor(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
    await world.until_status("Unknown")
    hypervisor = world.client.get_workflow_handle(f"Hypervisor/{world.name}")

    async def tried_again() -> bool:
        return scheduled(await hypervisor.fetch_history()).count("prepare") > 2

    await eventually(tried_again)
    assert scheduled(await hypervisor.fetch_history()).count("tell_lost") == 1
    async with world.near():
        await world.until_status("Running")
        await world.delete()


@pytest.mark.usefixtures("hasty")
async def test_vms_that_cannot_be_told_now_are_told_after_the_next_attempt(world: World, control: Control) -> None:
    async def out_of_order(*_: object) -> bool:
        raise Problem.terminal("OutOfOrder", "no signal gets through")

    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        hypervisor = world.client.get_workflow_handle(f"Hypervisor/{world.name}")

        async def tried_twice() -> bool:
            return scheduled(await hypervisor.fetch_history()).count("tell_lost") > 1

        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(neighbours, "signal", out_of_order)
            control.unreachable(cut=True)
            await eventually(tried_twice)
        await world.until_status("Unknown")
        control.unreachable(cut=False)
        await world.until_status("Running")
        await world.delete()


@pytest.mark.usefixtures("hasty")
async def test_a_hypervisor_deleted_while_it_is_lost_is_gone_at_once(world: World, control: Control) -> None:
    async with world.near():
        await until_hypervisor(world, "Watching")
        control.unreachable(cut=True)
        await until_hypervisor(world, "HypervisorUnreachable")
        await world.objects.delete(kind_called("hypervisors"), world.name)
        result = await world.client.get_workflow_handle(f"Hypervisor/{world.name}").result()
        assert result == "deleted; its VMs stay as they are"


async def test_a_connection_lost_after_long_work_begins_a_new_round_without_a_word(
    world: World, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STEADY", 0.0)
    hypervisor = world.client.get_workflow_handle(f"Hypervisor/{world.name}")
    async with world.near():
        await until_hypervisor(world, "Watching")

        async def watched_again() -> bool:
            control.host_reboot()  # again: the first may come before anybody listens
            return scheduled(await hypervisor.fetch_history()).count("watch") > 1

        await eventually(watched_again)
        rounds = scheduled(await hypervisor.fetch_history())
        assert rounds == (["prepare", "watch"] * len(rounds))[: len(rounds)]


@asynccontextmanager
async def _silent(*_: object) -> Any:
    yield


@pytest.mark.usefixtures("hasty")
async def test_a_watch_that_is_lost_with_its_workers_begins_a_new_round_without_a_word(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the server, an activity that no longer heartbeats is one whose worker died."""
    monkeypatch.setattr(options, "HEARTBEAT", timedelta(seconds=1))
    monkeypatch.setattr(watch, "pulsing", _silent)
    hypervisor = world.client.get_workflow_handle(f"Hypervisor/{world.name}")
    reasons: set[str] = set()
    async with world.near():
        await until_hypervisor(world, "Watching")

        async def watched_again() -> bool:
            reasons.add((await world.hypervisor_status())["reason"])
            return scheduled(await hypervisor.fetch_history()).count("watch") > 1

        await eventually(watched_again)
        assert reasons == {"Watching"}
        await hypervisor.signal(Signal.DELETE)
        await hypervisor.result()
