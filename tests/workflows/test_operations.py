"""Start, stop and restart: what is refused, what is the same request, and what wins when many come at once."""

import asyncio
import random

import pytest

from domain.problem import Problem, Verdict
from drivers.simulator.control import Control
from manifests.contract import DeleteRequest, Update
from tests.workflows.incidents import times, witnessed
from tests.world import World


async def test_what_the_run_strategy_does_not_allow_is_refused_with_what_is_possible(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        with pytest.raises(Problem) as caught:
            await world.ask(Update.START)
        assert (caught.value.reason, caught.value.verdict) == ("Conflict", Verdict.TERMINAL)
        assert caught.value.message.endswith(
            "start does not apply while the run strategy is Always; possible now: stop, restart"
        )
        await world.delete()


async def test_an_operation_on_a_vm_that_is_being_deleted_is_too_late(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.make_stubborn()
        await world.objects.delete(*world.key())
        await world.until_status("Terminating")
        with pytest.raises(Problem, match="too late") as caught:
            await world.ask(Update.STOP, force=True)
        assert caught.value.reason == "Conflict"
        await world.handle().terminate("its guest would be asked for a minute")


async def test_the_same_request_twice_is_one_request(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm(strategy="Manual"))
        await world.until_status("Stopped")
        for _ in range(2):
            await world.ask(Update.START, request="the one start")
        first = (await world.until_status("Running"))["vm"]["incarnation"]
        for _ in range(2):
            await world.ask(Update.RESTART, request="the one restart")
        second = await world.until(lambda status: status["vm"]["incarnation"] not in {"", first})
        await world.ask(Update.RESTART, request="the one restart")
        await world.ask(Update.START, request="another start")
        settled = await world.until_status("Running")
        assert (settled["exits"], settled["vm"]) == (1, second["vm"])
        await world.delete()


async def test_a_forced_stop_does_not_ask_the_guest(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.ask(Update.STOP, force=True)
        assert (await world.until_status("Stopped"))["message"] == "the guest was powered off"
        await world.delete()


async def test_a_guest_that_has_not_shown_itself_is_asked_all_the_same(world: World, control: Control) -> None:
    """It may have neither an agent nor a lease, and work to lose."""
    world.simulator["bootSeconds"] = 3600.0
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Starting")
        asked = witnessed(control, "ensure_stopped.ask")
        await world.ask(Update.STOP, grace=0.5)
        assert (await world.until_status("Stopped"))["message"] == "the guest was powered off"
        assert times(control, asked) >= 1
        await world.delete()


async def test_a_deletion_says_who_asked_and_a_second_one_shortens_the_grace(world: World) -> None:
    world.simulator["bootSeconds"] = 3600.0
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Starting")
        await world.objects.delete(*world.key(), DeleteRequest(by="ada"))
        going = await world.until_status("Terminating")
        assert (going["lastOperation"]["operation"], going["lastOperation"]["by"]) == ("delete", "ada")
        await world.objects.delete(*world.key(), DeleteRequest(by="bob", grace=0))
        await world.handle().result()
        await world.audit(driver)


async def test_a_forced_stop_of_what_is_off_is_refused(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm(strategy="Halted"))
        await world.until_status("Stopped")
        with pytest.raises(Problem, match="possible now: start"):
            await world.ask(Update.STOP, force=True)
        await world.delete()


async def test_a_once_vm_runs_once(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm(strategy="Once"))
        await world.until_status("Running")
        control = world.control()
        control.panic(await world.uid())
        control.close()
        status = await world.until_status("Stopped")
        assert (status["runStrategy"], status["message"]) == ("Once", "the guest's kernel panicked")
        await world.delete()


async def test_ten_operations_at_once_end_as_the_last_accepted_one_says(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm(strategy="Manual"))
        await world.until_status("Stopped")
        operations = [Update.START, Update.STOP, Update.RESTART] * 3
        random.shuffle(operations)
        await asyncio.gather(*(world.ask(each, request=str(number)) for number, each in enumerate(operations)))
        await world.ask(Update.START)
        await world.until_status("Running")
        await asyncio.gather(*(world.ask(each) for each in operations))
        await world.ask(Update.STOP)
        assert (await world.until_status("Stopped"))["vm"]["power"] == "Off"
        await world.delete()


async def test_a_restart_during_a_stop_starts_again(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm(strategy="Manual"))
        await world.until_status("Stopped")
        await world.ask(Update.START)
        first = (await world.until_status("Running"))["vm"]["incarnation"]
        await world.make_stubborn()
        await world.ask(Update.STOP)
        await world.until_status("Stopping")
        await world.ask(Update.RESTART, force=True)
        await world.until(
            lambda status: status["printableStatus"] == "Running" and status["vm"]["incarnation"] != first
        )
        await world.make_stubborn(stubborn=False)
        await world.delete()
