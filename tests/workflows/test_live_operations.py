"""Pause, unpause, soft reboot and reset: end to end, once per request, on one incarnation."""

import pytest

from domain.problem import Problem, Verdict
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind, Moment
from manifests.contract import Update
from tests.workflows.incidents import hanging, struck, times, witnessed
from tests.world import World, eventually

REBOOTS = [Update.SOFT_REBOOT, Update.RESET]


async def running(world: World, strategy: str = "Always") -> str:
    """Declare a VM and return its first incarnation."""
    await world.objects.apply(world.vm(strategy=strategy))
    if strategy == "Manual":
        await world.until_status("Stopped")
        await world.ask(Update.START)
    return str((await world.until_status("Running"))["vm"]["incarnation"])


async def boots(world: World, driver: SimulatorDriver, expected: int) -> None:
    """Wait until the guest's incarnation has booted so often, as its console tells."""
    uid = await world.uid()

    async def booted() -> bool:
        return 1 + driver.console(uid, limit=2**16).count(b"reboot: Restarting system") == expected

    await eventually(booted)


@pytest.mark.parametrize("strategy", ["Always", "Manual"])
async def test_a_guest_is_paused_and_goes_on_as_the_same_incarnation(world: World, strategy: str) -> None:
    async with world.near():
        first = await running(world, strategy)
        await world.ask(Update.PAUSE, by="ada")
        paused = await world.until_status("Paused")
        truths = {each["type"]: each["status"] for each in paused["conditions"]}
        assert truths == {"DataImported": "True", "Ready": "False", "Failure": "False", "Paused": "True"}
        assert (paused["vm"]["incarnation"], paused["runStrategy"]) == (first, strategy)
        assert (paused["lastOperation"]["operation"], paused["lastOperation"]["by"]) == ("pause", "ada")
        await world.ask(Update.UNPAUSE)
        assert (await world.until_status("Running"))["vm"]["incarnation"] == first
        await world.delete()


@pytest.mark.parametrize("update", REBOOTS)
async def test_a_guest_reboots_as_the_same_incarnation_and_once_per_request(world: World, update: Update) -> None:
    async with world.near() as driver:
        first = await running(world)
        for _ in range(3):
            await world.ask(update, request="one")
        await boots(world, driver, 2)
        await world.ask(update, request="another")
        await boots(world, driver, 3)
        await world.ask(update, request="one")
        status = await world.until_status("Running")
        assert (status["vm"]["incarnation"], status["exits"]) == (first, 0)
        await boots(world, driver, 3)
        await world.delete()


async def test_a_live_operation_without_a_guest_it_applies_to_is_refused(world: World) -> None:
    async with world.near():
        await running(world)
        with pytest.raises(Problem, match="unpause needs a paused guest, and the guest is not paused") as caught:
            await world.ask(Update.UNPAUSE)
        assert (caught.value.reason, caught.value.verdict) == ("Conflict", Verdict.TERMINAL)
        await world.ask(Update.STOP)
        await world.until_status("Stopped")
        for update in (Update.PAUSE, Update.UNPAUSE, *REBOOTS):
            with pytest.raises(Problem, match=f"{update} needs a running guest, and the guest does not run"):
                await world.ask(update)
        await world.delete()


async def test_operations_are_carried_out_in_the_order_they_were_asked_for(world: World, control: Control) -> None:
    async with world.near() as driver:
        await running(world)
        resumed = witnessed(control, "ensure_resumed.resume")
        async with hanging(control, "ensure_paused") as rule:
            await world.ask(Update.PAUSE)
            await struck(control, rule)
            for update in (Update.UNPAUSE, Update.RESET, Update.PAUSE):
                await world.ask(update)
            with pytest.raises(Problem, match="unpause it first"):
                await world.ask(Update.RESET)
        await world.until(lambda status: status["printableStatus"] == "Paused" and times(control, resumed) == 1)
        await boots(world, driver, 2)
        await world.delete()


@pytest.mark.parametrize(("update", "word"), [(Update.STOP, "Stopped"), (Update.RESTART, "Running")])
async def test_a_stop_wins_over_what_waits_for_its_turn(
    world: World, control: Control, update: Update, word: str
) -> None:
    async with world.near() as driver:
        first = await running(world)
        reboots = witnessed(control, "ensure_rebooted.reboot")
        async with hanging(control, "ensure_rebooted") as rule:
            for _ in range(3):
                await world.ask(Update.RESET)
            await struck(control, rule)
            await world.ask(update)
        status = await world.until(lambda now: now["printableStatus"] == word and now["vm"]["incarnation"] != first)
        assert status["exits"] == 1
        assert times(control, reboots) <= 1
        if update is Update.RESTART:
            await boots(world, driver, 1)
        await world.delete()


async def test_a_live_operation_whose_incarnation_ended_never_reaches_the_next(world: World, control: Control) -> None:
    async with world.near() as driver:
        first = await running(world)
        async with hanging(control, "ensure_rebooted") as rule:
            await world.ask(Update.RESET)
            await struck(control, rule)
            control.panic(await world.uid())
        status = await world.until(
            lambda now: now["printableStatus"] == "Running" and now["vm"]["incarnation"] not in {"", first}
        )
        assert status["exits"] == 1
        await boots(world, driver, 1)
        await world.delete()


async def test_a_reboot_whose_answer_was_lost_is_not_repeated(world: World, control: Control) -> None:
    async with world.near() as driver:
        await running(world)
        async with hanging(control, "ensure_rebooted.reboot", Moment.AFTER) as rule:
            await world.ask(Update.RESET)
            await struck(control, rule)
            await boots(world, driver, 2)
            control.unreachable(cut=True)
        control.unreachable(cut=False)
        await world.ask(Update.PAUSE)
        await world.until_status("Paused")
        await boots(world, driver, 2)
        await world.delete()


async def test_somebody_elses_pause_is_seen_and_not_undone(world: World, control: Control) -> None:
    async with world.near():
        await running(world)
        control.pause(await world.uid())
        paused = await world.until_status("Paused")
        assert "lastOperation" not in paused
        await world.ask(Update.UNPAUSE)
        await world.until_status("Running")
        await world.delete()


@pytest.mark.usefixtures("hasty")
async def test_an_operation_that_can_never_be_carried_out_is_taken_back_and_told(
    world: World, control: Control
) -> None:
    async with world.near():
        await running(world)
        fault = Fault(call="ensure_paused", kind=Kind.ERROR, reason="NotPossible", verdict=Verdict.TERMINAL)
        control.faults.inject(fault)
        await world.ask(Update.PAUSE)
        status = await world.until(lambda now: now["reason"] == "NotPossible")
        failure = next(each for each in status["conditions"] if each["type"] == "Failure")
        assert (status["printableStatus"], failure["status"]) == ("Running", "True")
        await world.ask(Update.PAUSE)
        await world.until_status("Paused")
        await world.delete()
