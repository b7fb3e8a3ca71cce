"""The watch: hints become wakes of the VMs concerned, once, and an idle hypervisor costs heartbeats only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.service import RPCError

from activities import boots, sweep, watch
from activities.watch import WatchOrder
from domain.guest import GuestPlan, Observation, Power
from domain.hypervisor import Orphan, SimulatorSpec
from domain.problem import Problem
from drivers.base import Change
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind
from manifests.contract import Report
from tests.activities.line import Line
from tests.activities.scene import Scene, reports, wakes, woken
from tests.world import eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TICK", 0.05)
    monkeypatch.setattr(boots, "TICK", 0.05)


@contextmanager
def slow(driver: SimulatorDriver, seconds: float) -> Iterator[SimulatorDriver]:
    """A driver of the same host whose guests take their time to boot."""
    slower = SimulatorDriver(SimulatorSpec(directory=str(driver.images.parent), boot_seconds=seconds))
    yield slower
    slower.close()


async def test_what_a_step_told_its_vm_is_not_told_again(scene: Scene) -> None:
    plan = scene.plan()
    vm = await scene.vm(plan, {"reason": "GuestOff"})
    async with scene.watched():
        scene.run(plan)
        await scene.rounds(3)
        assert await wakes(vm) == []


async def test_a_guest_that_ends_wakes_its_vm_once(scene: Scene, host: Control) -> None:
    plan = scene.plan()
    vm = await scene.vm(plan, {"reason": "GuestBooted"})
    scene.run(plan)
    async with scene.watched():
        before = len(await wakes(vm))
        host.panic(plan.uid)
        await woken(vm, before + 1)
        await scene.rounds(3)
        assert len(await wakes(vm)) == before + 1


async def test_a_guest_that_vanished_wakes_the_vm_it_belonged_to(scene: Scene, host: Control) -> None:
    plan = scene.plan()
    vm = await scene.vm(plan)
    scene.run(plan)
    async with scene.watched():
        before = len(await wakes(vm))
        host.undefine_behind_our_back(plan.uid)
        await woken(vm, before + 1)


async def test_a_domain_of_nobody_and_one_of_a_vm_that_is_gone_wake_nobody(scene: Scene) -> None:
    stranger, orphan = scene.plan().model_copy(update={"owner": ""}), scene.plan()
    async with scene.watched() as task:
        for plan in (stranger, orphan):
            scene.run(plan, telling=False)
        await scene.rounds(3)
        assert not task.done()


async def test_a_guest_a_step_works_on_is_looked_at_when_the_step_has_ended(scene: Scene, host: Control) -> None:
    plan = scene.plan()
    vm = await scene.vm(plan, {"reason": "GuestBooted"})
    scene.run(plan)
    async with scene.watched():
        before = len(await wakes(vm))
        with scene.told.telling(plan.uid):
            host.kill_process(plan.uid)
            await scene.rounds(3)
            assert len(await wakes(vm)) == before
        await woken(vm, before + 1)


async def test_a_step_that_begins_during_a_look_goes_first(scene: Scene, host: Control) -> None:
    plan = scene.plan()
    vm = await scene.vm(plan, {"reason": "GuestBooted"})
    scene.run(plan)
    async with scene.watched():
        before = len(await wakes(vm))
        observe = scene.driver.observe
        step = scene.told.telling(plan.uid)

        def observed_as_a_step_begins(uid: str) -> Observation:
            del scene.instead[uid]
            step.__enter__()
            return observe(uid)

        scene.instead[plan.uid] = observed_as_a_step_begins
        host.kill_process(plan.uid)
        await scene.rounds(4)
        assert len(await wakes(vm)) == before
        step.__exit__(None, None, None)
        await woken(vm, before + 1)


async def test_a_sweep_wakes_who_is_not_at_rest_or_published_something_else(scene: Scene) -> None:
    waits, differs, fits, off = (scene.plan() for _ in range(4))
    runs = {plan.uid: scene.run(plan, telling=False) for plan in (waits, differs, fits)}

    def published(plan: GuestPlan, reason: str, incarnation: str) -> dict[str, Any]:
        vm = {"power": "Running", "incarnation": incarnation}
        guest = {"agentConnected": True, "addresses": list(runs[plan.uid].guest.addresses)}
        return {"reason": reason, "vm": vm, "guest": guest}

    handles = [
        await scene.vm(waits, published(waits, "HypervisorUnreachable", runs[waits.uid].incarnation)),
        await scene.vm(differs, published(differs, "GuestBooted", "an earlier one")),
        await scene.vm(fits, published(fits, "GuestBooted", runs[fits.uid].incarnation)),
        await scene.vm(off, {"reason": "GuestOff"}),
    ]
    async with scene.watched():
        assert [await wakes(handle) for handle in handles] == [["guest"], ["guest"], [], []]


async def test_a_sweep_has_a_look_at_a_guest_that_boots_and_none_at_one_that_is_up(scene: Scene) -> None:
    booting, up = scene.plan(), scene.plan()
    for plan, reason in ((booting, "GuestBooting"), (up, "GuestBooted")):
        seen = scene.run(plan, telling=False)
        vm = {"power": "Running", "incarnation": seen.incarnation}
        await scene.vm(plan, {"reason": reason, "vm": vm, "guest": {"agentConnected": reason == "GuestBooted"}})
    async with scene.watched():
        assert (scene.looks[booting.uid] > 0, scene.looks[up.uid]) == (True, 0)


async def test_a_sweep_has_another_look_at_a_guest_that_was_silent(scene: Scene) -> None:
    plan = scene.plan()
    seen = scene.run(plan, telling=False)
    status = {"reason": "GuestSilent", "vm": {"power": "Running", "incarnation": seen.incarnation}}
    vm = await scene.vm(plan, status)
    async with scene.watched():
        await woken(vm)


async def test_lost_hints_are_made_up_for_by_the_next_sweep(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "RESYNC", 0.2)
    plan = scene.plan()
    vm = await scene.vm(plan, {"reason": "GuestOff"})

    changes = scene.driver.changes

    def without_the_guest(stop: Any) -> Iterator[Change]:
        return (change for change in changes(stop) if change.uid != plan.uid)

    monkeypatch.setattr(scene.driver, "changes", without_the_guest)
    async with scene.watched():
        assert await wakes(vm) == []
        scene.run(plan, telling=False)

        async def swept() -> bool:
            return len(await wakes(vm)) > 0

        await eventually(swept)


async def test_a_sweep_lets_failed_images_try_again(scene: Scene) -> None:
    image = await scene.open(f"Image/{scene.name}/image", "Image", {}, "Failed")
    async with scene.watched():
        assert await wakes(image) == [""]


async def test_agent_and_address_are_one_wake_and_the_boot_is_shown_meanwhile(scene: Scene) -> None:
    plan = scene.plan()
    vm = await scene.vm(plan)
    with slow(scene.driver, 1.0) as driver:
        async with scene.watched():
            before = len(await wakes(vm))
            scene.told.tell(driver.ensure_running(plan, fresh=True, start=1))

            async def booting() -> bool:
                return any(plan.uid in beat.boots for beat in scene.beats)

            await eventually(booting)
            await woken(vm, before + 1)
            stages = {beat.boots[plan.uid].stage for beat in scene.beats if plan.uid in beat.boots}
            assert stages & {"kernel is booting", "services are starting", "cloud-init: local stage"}
            await scene.rounds(3)
            assert len(await wakes(vm)) == before + 1


@pytest.mark.parametrize("half", ["agent", "addresses"])
async def test_half_a_sign_of_life_is_told_when_the_other_half_does_not_come(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    monkeypatch.setattr(boots, "SETTLE", 0.3)
    plan = scene.plan()
    whole = scene.run(plan)
    status = {"reason": "GuestSilent", "vm": {"power": "Running", "incarnation": whole.incarnation}}
    vm = await scene.vm(plan, status)
    scene.told.tell(whole.model_copy(update={"guest": type(whole.guest)()}))
    one_half = type(whole.guest).model_validate({half: getattr(whole.guest, half)})
    scene.instead[plan.uid] = lambda _: whole.model_copy(update={"guest": one_half})
    async with scene.watched():
        assert await wakes(vm) == []
        await woken(vm)


async def test_a_guest_that_stays_silent_is_told_when_patience_ends(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boots, "BOOT_PATIENCE", timedelta(seconds=0.3))
    plan = scene.plan()
    vm = await scene.vm(plan)
    with slow(scene.driver, 3600) as driver:
        async with scene.watched():
            before = len(await wakes(vm))
            scene.told.tell(driver.ensure_running(plan, fresh=True, start=1))
            await woken(vm, before + 1)


async def test_a_wake_that_does_not_reach_the_server_ends_the_watch(scene: Scene, line: Line) -> None:
    """The next attempt begins with a sweep, so nobody stays unwoken."""
    scene.client = await line.client()
    async with scene.watched() as task:
        line.cut()
        scene.run(scene.plan(), telling=False)
        with pytest.raises(RPCError):
            await task


async def test_a_hypervisor_that_cannot_be_reached_ends_the_watch_with_trouble(scene: Scene, host: Control) -> None:
    async with scene.watched() as task:
        host.unreachable(cut=True)
        with pytest.raises(Problem) as caught:
            await task
        assert caught.value.reason == "HypervisorUnreachable"


async def test_a_hypervisor_that_is_lost_while_a_guest_is_looked_at_ends_the_watch(scene: Scene, host: Control) -> None:
    plan = scene.plan()
    await scene.vm(plan, {"reason": "GuestBooted"})
    scene.run(plan)
    async with scene.watched() as task:
        host.faults.inject(Fault(call="observe", uid=plan.uid, kind=Kind.ERROR, times=None))
        host.panic(plan.uid)
        with pytest.raises(Problem) as caught:
            await task
        assert caught.value.reason == "HypervisorUnreachable"


async def test_a_guest_that_cannot_be_looked_at_keeps_nobody_from_the_others(scene: Scene, host: Control) -> None:
    stuck, other = scene.plan(), scene.plan()
    vms = [await scene.vm(plan, {"reason": "GuestBooted"}) for plan in (stuck, other)]
    scene.run(stuck)
    scene.run(other)
    async with scene.watched():
        before = [len(await wakes(vm)) for vm in vms]
        busy = Fault(call="observe", uid=stuck.uid, kind=Kind.ERROR, reason="HypervisorBusy", times=None)
        rule = host.faults.inject(busy)
        host.panic(stuck.uid)
        host.panic(other.uid)
        await woken(vms[1], before[1] + 1)
        assert len(await wakes(vms[0])) == before[0]
        host.faults.withdraw(rule)
        await woken(vms[0], before[0] + 1)


async def test_a_watch_that_has_worked_ends_normally_so_that_the_next_has_all_its_attempts(
    scene: Scene, host: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STEADY", 0.0)
    async with scene.watched() as task:
        host.unreachable(cut=True)
        assert (await task).startswith("the watch ended: ")


async def test_an_idle_watch_neither_looks_nor_goes_round_and_beats_three_times_in_a_heartbeat_timeout(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = scene.plan()
    await scene.vm(plan, {"reason": "GuestBooted"})
    scene.run(plan)
    turns = []
    gather = watch._Vigil._gather

    async def counted(*arguments: Any) -> bool:
        turns.append(arguments)
        return await gather(*arguments)

    monkeypatch.setattr(watch._Vigil, "_gather", counted)
    async with scene.watched(heartbeat=timedelta(seconds=0.3)):

        async def rested() -> bool:
            """Six beats, and nothing else meanwhile."""
            before, beats, began = (scene.looks.total(), len(turns)), len(scene.beats), time.monotonic()

            async def beaten() -> bool:
                return len(scene.beats) >= beats + 6

            await eventually(beaten)
            assert time.monotonic() - began > 0.4
            return before == (scene.looks.total(), len(turns))

        await eventually(rested)


async def test_when_a_hypervisor_that_was_lost_is_found_every_vm_is_woken_once(scene: Scene) -> None:
    hypervisor = await scene.hypervisor()
    vm = await scene.vm(scene.plan(), {"reason": "GuestOff"})
    async with scene.watched(WatchOrder(lost=True)):
        await woken(vm)
        assert await reports(hypervisor) == [Report()]


async def test_orphans_are_reported_when_they_are_others_than_before(scene: Scene, host: Control) -> None:
    hypervisor = await scene.hypervisor()
    plans = [scene.plan() for _ in range(2)]
    for plan in plans:
        scene.run(plan, telling=False)
    known = tuple(sorted((orphan(plan) for plan in plans), key=lambda each: each.uid))
    async with scene.watched(WatchOrder(orphans=known)):
        assert await reports(hypervisor) == []
    scene.driver.ensure_removed(plans[0].uid)
    async with scene.watched(WatchOrder(orphans=known)):
        assert await reports(hypervisor) == [Report(orphans=(orphan(plans[1]),))]


@pytest.mark.parametrize("declared", [False, True])
async def test_a_zone_that_tells_no_claims_holds_up_no_sweep(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    declared: bool,  # noqa: FBT001 - a case
) -> None:
    """Nobody works for the zone, or there is none."""
    monkeypatch.setattr(sweep, "ANSWER_WITHIN", timedelta(seconds=0.1))
    if declared:
        await scene.open(f"Zone/{scene.name}", "Zone", {}, "Ready")
    vm = await scene.vm(scene.plan(), {"reason": "HypervisorLost"})
    async with scene.watched(WatchOrder(zone=scene.name)):
        await woken(vm)


async def test_a_guest_whose_vm_knows_that_it_is_silent_is_not_waited_for_again(scene: Scene) -> None:
    plan = scene.plan()
    with slow(scene.driver, 3600) as driver:
        seen = driver.ensure_running(plan, fresh=True, start=1)
        status = {"reason": "GuestSilent", "vm": {"power": "Running", "incarnation": seen.incarnation}}
        vm = await scene.vm(plan, status)
        async with scene.watched():
            await scene.rounds(2)
            assert scene.looks[plan.uid] == 1
            assert await wakes(vm) == []


def orphan(plan: GuestPlan) -> Orphan:
    return Orphan(uid=plan.uid, owner=plan.owner, power=Power.RUNNING)
