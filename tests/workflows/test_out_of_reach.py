"""Hypervisors out of reach: what a VM says meanwhile, what it costs, and what happens on return."""

import pytest

from domain.life import Wake
from drivers.simulator.control import Control
from manifests.contract import Signal, Update
from tests.workflows.incidents import orders, witnessed
from tests.world import World, eventually


def ready(status: dict[str, object]) -> object:
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    return next(each["status"] for each in conditions if each["type"] == "Ready")


async def test_a_vm_whose_hypervisor_is_lost_is_unknown_until_it_is_looked_at_again(
    world: World, control: Control
) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        running = await world.until_status("Running")
        calls = witnessed(control, "")
        await world.handle().signal(Signal.WAKE, Wake.LOST)
        lost = await world.until_status("Unknown")
        assert (lost["reason"], ready(lost)) == ("HypervisorLost", "Unknown")
        assert lost["message"] == f"{world.name} is out of reach; when last seen, the guest was running"
        assert lost["vm"] == running["vm"]
        assert orders(control, calls) == []
        await world.handle().signal(Signal.WAKE, Wake.GUEST)
        back = await world.until_status("Running")
        assert (back["vm"], back["exits"], ready(back)) == (running["vm"], 0, "True")
        await world.delete()


async def test_nothing_is_started_elsewhere_and_a_stop_is_still_intent(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        first = (await world.until_status("Running"))["vm"]["incarnation"]
    await world.handle().signal(Signal.WAKE, Wake.LOST)
    await world.until_status("Unknown")
    await world.ask(Update.STOP)
    status = await world.until(lambda now: now["runStrategy"] == "Halted")
    assert (status["printableStatus"], status["vm"]["incarnation"]) == ("Unknown", first)
    async with world.near():
        assert (await world.until_status("Stopped"))["exits"] == 1
        await world.delete()


@pytest.mark.usefixtures("hasty")
async def test_every_vm_of_a_lost_hypervisor_is_unknown_and_comes_back_as_it_is_by_then(
    world: World, control: Control
) -> None:
    async with world.near():
        for name in ("stays", "ends", "stopped"):
            await world.objects.apply(world.vm(name))
            await world.until_status("Running", name)
        await world.ask(Update.STOP, "stopped")
        await world.until_status("Stopped", "stopped")
        control.unreachable(cut=True)
        for name in ("stays", "ends", "stopped"):
            await world.until_status("Unknown", name)
        control.panic(await world.uid("ends"))
        control.unreachable(cut=False)
        assert (await world.until_status("Running", "stays"))["exits"] == 0
        assert (await world.until_status("Running", "ends"))["exits"] == 1
        assert (await world.until_status("Stopped", "stopped"))["exits"] == 1
        for name in ("stays", "ends", "stopped"):
            await world.delete(name)


async def test_a_vm_that_is_nowhere_yet_cannot_lose_its_hypervisor(world: World) -> None:
    await world.objects.apply(world.vm())
    await world.until_status("FailedUnschedulable")
    await world.handle().signal(Signal.WAKE, Wake.LOST)

    async def heard() -> bool:
        history = await world.handle().fetch_history()
        return any(event.HasField("workflow_execution_signaled_event_attributes") for event in history.events)

    await eventually(heard)
    await world.handle().query("__temporal_workflow_metadata")
    assert (await world.status())["printableStatus"] == "FailedUnschedulable"
    await world.delete()
