"""The watch: hints become wakes of the VMs concerned, once, and losing every hint still converges.

The VMs are workflows nobody works for: their histories tell which wakes they were sent.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities import watch
from activities.told import Told
from activities.watch import Watch, WatchBeat
from domain.guest import GuestPlan, Observation, default_mac
from domain.hypervisor import SimulatorSpec
from domain.image import ImageSource, image_key
from domain.problem import Problem
from drivers.base import Change
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from images.cache import ImageCache
from images.policy import FetchPolicy
from manifests.contract import OBJECT_MEMO, SearchAttribute, Signal
from tests.activities.line import Line
from tests.disks import empty_qcow2
from tests.image_server import ImageServer
from tests.world import eventually

Handle = WorkflowHandle[Any, Any]


class Scene:
    """One watched hypervisor, and VMs on it."""

    def __init__(self, client: Client, driver: SimulatorDriver) -> None:
        self.client = client
        self.driver = driver
        self.told = Told()
        self.name = f"h{uuid.uuid4().hex[:8]}"
        self.beats: list[WatchBeat] = []
        self.handles: list[Handle] = []
        self.image = ""

    def plan(self) -> GuestPlan:
        uid = str(uuid.uuid4())
        return GuestPlan(
            uid=uid,
            name=uid,
            owner=f"{self.name}/{uid}",
            hostname="vm",
            cpus=1,
            memory=2**28,
            disk=2**32,
            image=self.image,
            mac=default_mac(uid),
        )

    def run(self, plan: GuestPlan, *, telling: bool = True) -> Observation:
        """Power a guest on; `telling` as its VM's step does."""
        seen = self.driver.ensure_running(plan, fresh=True)
        return self.told.tell(seen) if telling else seen

    async def vm(self, plan: GuestPlan, published: dict[str, Any] | None = None) -> Handle:
        """Open a VM's workflow, with what it publishes."""
        document = {"metadata": {"uid": plan.uid}, "status": published or {}}
        return await self.open(f"VirtualServer/{plan.owner}", "VirtualServer", document, self.name)

    async def open(self, object_id: str, kind: str, document: dict[str, Any], status: str) -> Handle:
        attribute = SearchAttribute.HYPERVISOR if kind == "VirtualServer" else SearchAttribute.STATUS
        pairs = {SearchAttribute.KIND: kind, attribute: status}
        handle = await self.client.start_workflow(
            kind,
            id=object_id,
            task_queue="nobody",
            memo={OBJECT_MEMO: document},
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(SearchAttributeKey.for_keyword(key), value) for key, value in pairs.items()],
            ),
        )
        self.handles.append(handle)

        async def listed() -> bool:
            return (
                await self.client.count_workflows(f"WorkflowId = '{object_id}' AND {attribute} = '{status}'")
            ).count > 0

        await eventually(listed)
        return handle

    @asynccontextmanager
    async def watched(self) -> AsyncIterator["asyncio.Task[None]"]:
        """Watch meanwhile; the block begins after the first round."""
        environment = ActivityEnvironment()
        self.beats.clear()
        environment.on_heartbeat = self.beats.append
        task = asyncio.create_task(environment.run(Watch(self.name, self.driver, self.told, self.client).watch))
        await self.rounds(1)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def rounds(self, count: int) -> None:
        """Wait until the watch has gone round so many times from now on."""
        wanted = len(self.beats) + count

        async def gone_round() -> bool:
            return len(self.beats) >= wanted

        await eventually(gone_round)


async def wakes(handle: Handle) -> list[str]:
    """Return what a workflow was woken about so far."""
    history = await handle.fetch_history()
    signals = [event.workflow_execution_signaled_event_attributes for event in history.events]
    return [
        json.loads(signal.input.payloads[0].data) if signal.input.payloads else ""
        for signal in signals
        if signal.signal_name == Signal.WAKE
    ]


async def woken(handle: Handle, times: int = 1) -> None:
    async def often_enough() -> bool:
        return len(await wakes(handle)) >= times

    await eventually(often_enough)
    assert await wakes(handle) == ["guest"] * times


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TICK", 0.05)


@pytest.fixture
async def scene(client: Client, driver: SimulatorDriver) -> AsyncIterator[Scene]:
    scene = Scene(client, driver)
    with ImageServer() as server:
        source = ImageSource(url=server.serve("/disk.qcow2", empty_qcow2()))
        scene.image = image_key("team", source)
        policy = FetchPolicy(allowed_networks=("127.0.0.0/8",))
        ImageCache(driver.images).ensure(scene.image, source, policy=policy, beat=lambda _: None)
    yield scene
    for handle in scene.handles:
        await handle.terminate()


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


async def test_a_step_that_begins_during_a_look_goes_first(
    scene: Scene, host: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = scene.plan()
    vm = await scene.vm(plan, {"reason": "GuestBooted"})
    scene.run(plan)
    async with scene.watched():
        before = len(await wakes(vm))
        observe = scene.driver.observe
        steps: list[AbstractContextManager[None]] = []

        def observed_as_a_step_begins(uid: str) -> Observation:
            seen = observe(uid)
            if not steps:
                step = scene.told.telling(uid)
                step.__enter__()
                steps.append(step)
            return seen

        monkeypatch.setattr(scene.driver, "observe", observed_as_a_step_begins)
        host.kill_process(plan.uid)
        await scene.rounds(4)
        assert len(await wakes(vm)) == before
        steps[0].__exit__(None, None, None)
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

    def nothing_but_the_first(stop: Any) -> Iterator[Change]:
        yield Change(uid="")
        stop.wait()

    monkeypatch.setattr(scene.driver, "changes", nothing_but_the_first)
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
            scene.told.tell(driver.ensure_running(plan, fresh=True))

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
    monkeypatch.setattr(watch, "SETTLE", 0.3)
    plan = scene.plan()
    whole = scene.run(plan)
    status = {"reason": "GuestSilent", "vm": {"power": "Running", "incarnation": whole.incarnation}}
    vm = await scene.vm(plan, status)
    scene.told.tell(whole.model_copy(update={"guest": type(whole.guest)()}))
    one_half = type(whole.guest).model_validate({half: getattr(whole.guest, half)})
    monkeypatch.setattr(scene.driver, "observe", lambda _: whole.model_copy(update={"guest": one_half}))
    async with scene.watched():
        assert await wakes(vm) == []
        await woken(vm)


async def test_a_guest_that_stays_silent_is_told_when_patience_ends(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "BOOT_PATIENCE", timedelta(seconds=0.3))
    plan = scene.plan()
    vm = await scene.vm(plan)
    with slow(scene.driver, 3600) as driver:
        async with scene.watched():
            before = len(await wakes(vm))
            scene.told.tell(driver.ensure_running(plan, fresh=True))
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
