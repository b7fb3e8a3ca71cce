"""Deletion wins over everything, is accepted in every state, and leaves nothing."""

import pytest

from domain.problem import Problem
from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind
from manifests.contract import Signal, Update
from tests.workflows.incidents import hanging, struck
from tests.world import World


@pytest.mark.parametrize("step", ["ensure_defined.partial", "ensure_defined.disk", "ensure_running.start"])
async def test_deleting_during_creation_leaves_nothing(world: World, control: Control, step: str) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        async with hanging(control, step) as rule:
            await struck(control, rule)
            await world.objects.delete(*world.key())
            await world.until_status("Terminating")
        await world.handle().result()
        await world.audit(driver)


async def test_deleting_during_a_stop_ends_the_guest_with_grace(world: World, control: Control) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        async with hanging(control, "ensure_stopped.ask") as rule:
            await world.ask(Update.STOP)
            await struck(control, rule)
            await world.objects.delete(*world.key())
            await world.until_status("Terminating")
        await world.handle().result()
        await world.audit(driver)


async def test_deleting_during_a_restart_starts_nothing_again(world: World, control: Control) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        starts = control.faults.inject(Fault(call="ensure_running.start", kind=Kind.WITNESS, times=None))
        async with hanging(control, "ensure_stopped") as rule:
            await world.ask(Update.RESTART)
            await struck(control, rule)
            await world.objects.delete(*world.key())
        await world.handle().result()
        assert control.faults.firings(starts) == []
        await world.audit(driver)


async def test_deleting_twice_is_deleting_once_and_deleting_what_is_gone_is_not_found(
    world: World, control: Control
) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        async with hanging(control, "ensure_removed") as rule:
            await world.objects.delete(*world.key())
            await struck(control, rule)
            first = (await world.get())["metadata"]["deletionTimestamp"]
            await world.handle().signal(Signal.DELETE)
            assert (await world.get())["metadata"]["deletionTimestamp"] == first
        await world.handle().result()
        with pytest.raises(Problem, match="not found"):
            await world.objects.delete(*world.key())
        await world.audit(driver)


@pytest.mark.usefixtures("hasty")
async def test_deleting_with_the_hypervisor_unreachable_finishes_on_its_return(world: World, control: Control) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        control.unreachable(cut=True)
        await world.objects.delete(*world.key())
        status = await world.until(lambda status: status["reason"] == "HypervisorUnreachable")
        assert status["printableStatus"] == "Terminating"
        control.unreachable(cut=False)
        await world.handle().result()
        await world.audit(driver)


async def test_cancelling_a_vm_that_is_being_deleted_waits_for_its_last_step_all_the_same(
    world: World, control: Control
) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        async with hanging(control, "ensure_running.start") as rule:
            await struck(control, rule)
            await world.objects.delete(*world.key())
            await world.until_status("Terminating")
            steps = control.faults.inject(Fault(call="observe", kind=Kind.WITNESS, times=None))
            await world.handle().cancel()
            await world.until_status("Terminating")
            assert control.faults.firings(steps) == []
        assert await world.handle().result() == "deleted; nothing is left"
        await world.audit(driver)


async def test_a_vm_deleted_before_its_first_step_was_never_anywhere(world: World) -> None:
    handle = await world.client.start_workflow(
        "VirtualMachine",
        world.vm(),
        id=world.handle().id,
        task_queue="lifecycle",
        start_signal=Signal.DELETE,
    )
    assert await handle.result() == "deleted; nothing is left"
    assert (await world.zone_status())["placed"] == 0
