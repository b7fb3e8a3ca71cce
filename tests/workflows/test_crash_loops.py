"""Guests that keep ending: left alone ever longer, started again, forgiven after health; and ends nobody saw begin."""

from datetime import datetime

import pytest
from temporalio.api.enums.v1 import EventType

from domain.backoff import JITTER, Backoff
from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind, Moment
from manifests.contract import Update
from tests.workflows.incidents import hanging, struck, times, witnessed
from tests.world import World

CAP = 4.0


@pytest.fixture
def backoff() -> Backoff:
    """Delays that a test can wait for: 2 s, then 4 s."""
    return Backoff(first=2, factor=2, cap=CAP, healthy=600)


async def running_again(world: World, exits: int) -> None:
    await world.until(lambda now: now["exits"] == exits and now["printableStatus"] == "Running")


async def test_the_first_restart_comes_at_once_and_the_next_ones_wait(world: World, control: Control) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        uid = await world.uid()
        control.panic(uid)
        await running_again(world, 1)
        assert (await world.status())["restarts"] == {"inARow": 1}
        for exits in (2, 3):
            control.panic(uid)
            waiting = await world.until_status("CrashLoopBackOff")
            assert waiting["reason"] == "CrashLoopBackOff"
            assert waiting["restarts"]["inARow"] == exits
            assert f"the guest's kernel panicked; it ended {exits} times in a row" in waiting["message"]
            failure = next(each for each in waiting["conditions"] if each["type"] == "Failure")
            assert (failure["status"], failure["reason"]) == ("True", "GuestCrashed")
            await running_again(world, exits)
        await world.delete()
        waits = [delay for delay in await delays(world) if delay < 3600]  # an hour is what an image is waited for
        assert waits == pytest.approx([2, CAP], rel=2 * JITTER)


async def delays(world: World) -> list[float]:
    """Return the seconds the VM's timers were set to, in order."""
    history = await world.handle().fetch_history()
    return [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]


@pytest.mark.parametrize("strategy", ["Always", "RerunOnFailure"])
async def test_a_restart_that_somebody_asks_for_does_not_wait(world: World, control: Control, strategy: str) -> None:
    async with world.near():
        await world.objects.apply(world.vm(strategy=strategy))
        await world.until_status("Running")
        for exits in (1, 2):
            control.kill_process(await world.uid())
            await world.until(lambda now, exits=exits: now["exits"] == exits)  # type: ignore[misc]
            if exits == 1:
                await running_again(world, 1)
        waiting = await world.until_status("CrashLoopBackOff")
        asked = datetime.fromisoformat(waiting["restarts"]["next"])
        await world.ask(Update.RESTART)
        status = await world.until_status("Running")
        started = next(each for each in status["conditions"] if each["type"] == "Ready")["lastTransitionTime"]
        assert datetime.fromisoformat(started) <= asked
        assert "restarts" not in status
        await world.delete()


async def test_a_stop_ends_the_wait_and_a_start_begins_anew(world: World, control: Control) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        for exits in (1, 2):
            control.panic(await world.uid())
            await world.until(lambda now, exits=exits: now["exits"] == exits)  # type: ignore[misc]
            if exits == 1:
                await running_again(world, 1)
        await world.until_status("CrashLoopBackOff")
        await world.ask(Update.STOP)
        assert "restarts" not in await world.until_status("Stopped")
        await world.ask(Update.START)
        await world.until_status("Running")
        control.panic(await world.uid())
        await running_again(world, 3)
        assert (await world.status())["restarts"] == {"inARow": 1}
        await world.delete()


class TestHealth:
    """A guest that lives long enough is forgiven."""

    @pytest.fixture
    def backoff(self) -> Backoff:
        """Delays longer than any test waits, forgotten after an instant of health."""
        return Backoff(first=3600, cap=3600, healthy=0.001)

    async def test_ends_after_health_are_never_waited_for(self, world: World, control: Control) -> None:
        async with world.near():
            await world.objects.apply(world.vm())
            await world.until_status("Running")
            for exits in (1, 2, 3):
                control.panic(await world.uid())
                await running_again(world, exits)
                assert (await world.status())["restarts"] == {"inARow": 1}
            await world.delete()


@pytest.mark.parametrize(("strategy", "word"), [("Once", "Stopped"), ("RerunOnFailure", "Running")])
async def test_a_guest_that_started_and_ended_before_anybody_saw_it_has_run(
    world: World, control: Control, strategy: str, word: str
) -> None:
    async with world.near():
        starts = witnessed(control, "ensure_running.start")
        async with hanging(control, "ensure_running.start", Moment.AFTER) as rule:
            await world.objects.apply(world.vm(strategy=strategy))
            await struck(control, rule)
            control.panic(await world.uid())
        status = await world.until_status(word)
        assert (status["exits"], times(control, starts)) == (1, 1 if word == "Stopped" else 2)
        await world.delete()


async def test_a_power_on_whose_answer_was_lost_is_not_repeated_for_a_guest_that_ran(
    world: World, control: Control
) -> None:
    """The worker is cut off after the power-on; the guest shuts itself down before the step is tried again."""
    async with world.near():
        starts = witnessed(control, "ensure_running.start")
        rule = control.faults.inject(Fault(call="ensure_running.start", kind=Kind.LOST_REPLY))
        async with hanging(control, "ensure_defined.domain", Moment.AFTER):
            await world.objects.apply(world.vm(strategy="Once"))
            await world.until(lambda now: now.get("placement") is not None)
        await struck(control, rule)
        control.power_off_from_inside(await world.uid())
        status = await world.until_status("Stopped")
        assert (status["exits"], times(control, starts)) == (1, 1)
        assert status["message"] == "the guest shut itself down"
        await world.delete()
