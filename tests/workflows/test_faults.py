"""Rows of the fault matrix about requests that race each other, on the simulator. A test's name tells its row."""

import asyncio
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from domain.problem import Problem
from domain.run_strategy import Operation
from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind
from manifests.base import InvalidManifestError
from manifests.contract import PowerRequest, Signal, Update
from runtime.objects import Applied
from runtime.settings import Settings
from tests.image_server import ImageServer
from tests.manifests.examples import at
from tests.workflows.incidents import hanging, struck
from tests.world import World, eventually

MEMORY = "spec.resources.memory"
SWITCHES = {Operation.START, Operation.STOP, Operation.RESTART}


# 13: the same create twice; the same name with another spec


async def test_fault_13_the_same_create_twice_is_one_vm(world: World) -> None:
    async with world.near() as driver:
        done = await asyncio.gather(*(world.objects.apply(world.vm()) for _ in range(5)))
        assert sorted(done) == [Applied.CREATED, *[Applied.UNCHANGED] * 4]
        uid = await world.uid()
        await world.until_status("Running")
        assert await world.objects.apply(world.vm()) is Applied.UNCHANGED
        assert [seen.uid for seen in driver.inventory()] == [uid]
        assert (await world.status())["observedGeneration"] == 1
        await world.delete()
        await world.audit(driver)


async def test_fault_13_another_spec_under_the_same_name_never_replaces_a_vm(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        before = await world.until_status("Running")
        other = at(world.vm(), "spec.storage.root.source.http.url", world.server.url + "/other.qcow2")
        with pytest.raises(Problem) as caught:
            await world.objects.create(other)
        assert caught.value.reason == "AlreadyExists"
        with pytest.raises(Problem, match=r"spec\.storage\.root\.source") as caught:
            await world.objects.apply(other)
        assert caught.value.reason == InvalidManifestError([]).reason
        assert await world.status() == before
        assert len(driver.inventory()) == 1
        await world.delete()
        await world.audit(driver)


# 14: delete during create, import, start, stop, …


async def _resize(world: World) -> None:
    await world.replace(at(world.vm(), MEMORY, "128Mi"))


CALLS: dict[str, Callable[[World], Any]] = {
    "ensure_defined": lambda world: world.objects.apply(world.vm()),
    "ensure_running": lambda world: world.objects.apply(world.vm()),
    "ensure_stopped": lambda world: world.ask(Update.STOP),
    "ensure_paused": lambda world: world.ask(Update.PAUSE),
    "ensure_rebooted": lambda world: world.ask(Update.RESET),
    "ensure_fitted": _resize,
    "observe": lambda world: world.handle().signal(Signal.WAKE, "guest"),
}
STEPS = {
    "ensure_defined": ["ensure_defined.partial", "ensure_defined.disk", "ensure_defined.seed", "ensure_defined.domain"],
    "ensure_running": ["ensure_running", "ensure_running.start"],
    "ensure_stopped": ["ensure_stopped", "ensure_stopped.ask"],
    "ensure_fitted": ["ensure_fitted.memory"],
}
POINTS = [(call, step) for call in CALLS for step in STEPS.get(call, [call])]


@pytest.mark.parametrize(("call", "step"), POINTS, ids=[step for _, step in POINTS])
async def test_fault_14_a_deletion_wins_over_what_is_being_done(
    world: World, control: Control, call: str, step: str
) -> None:
    async with world.near() as driver:
        if call not in {"ensure_defined", "ensure_running"}:
            await world.objects.apply(world.vm())
            await world.until_status("Running")
        async with hanging(control, step) as rule:
            await CALLS[call](world)
            await struck(control, rule)
            await world.objects.delete(*world.key())
            await world.until_status("Terminating")
        await world.handle().result()
        assert driver.inventory() == []
        await world.audit(driver)


async def test_fault_14_a_deletion_wins_over_an_import(world: World, image_server: ImageServer) -> None:
    image_server.resource("/disk.qcow2").status = 503
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until(lambda now: now.get("reason") == "Importing")
        await world.delete()
        image_server.resource("/disk.qcow2").status = 0
        assert driver.inventory() == []

        async def forgotten() -> bool:
            return await world.images() == [] and (await world.zone_status())["placed"] == 0

        await eventually(forgotten)


# 15: delete twice, delete of what is gone


async def test_fault_15_deleting_again_and_again_is_deleting_once(world: World, control: Control) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        async with hanging(control, "ensure_removed") as rule:
            await asyncio.gather(*(world.objects.delete(*world.key()) for _ in range(5)))
            await struck(control, rule)
            first = (await world.get())["metadata"]["deletionTimestamp"]
            await world.handle().signal(Signal.DELETE)
            assert (await world.get())["metadata"]["deletionTimestamp"] == first
        assert await world.handle().result() == "deleted; nothing is left"
        with pytest.raises(Problem, match="not found"):
            await world.objects.delete(*world.key())
        await world.audit(driver)


# 24: ten updates at once on one VM; stop racing start racing delete


async def accepted(world: World) -> list[str]:
    """Return which updates a VM accepted, in order."""
    history = await world.handle().fetch_history()
    return [
        event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    ]


async def idle(world: World) -> bool:
    """Tell whether a VM has nothing more to do: no step is under way, and no decision is due."""
    raw = (await world.handle().describe()).raw_description
    return not raw.pending_activities and not raw.HasField("pending_workflow_task")


@pytest.mark.parametrize("attempt", range(3))
async def test_fault_24_of_ten_updates_at_once_the_last_accepted_one_wins(world: World, attempt: int) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm(strategy="Manual"))
        await world.until_status("Stopped")
        await world.ask(Update.START)
        await world.until_status("Running")
        at_once = [*SWITCHES, *SWITCHES, Update.PAUSE, Update.RESET, Update.SOFT_REBOOT]
        random.shuffle(at_once)
        edit = world.replace(at(world.vm(strategy="Manual"), MEMORY, "128Mi"))
        answers = await asyncio.gather(
            *(world.handle().execute_update(each, PowerRequest(force=True)) for each in at_once),
            edit,
            return_exceptions=True,
        )
        wrong = [each for each in answers if isinstance(each, BaseException)]
        assert all(isinstance(each, WorkflowUpdateFailedError) for each in wrong), wrong
        order = await accepted(world)
        assert len(order) == 1 + len(answers) - len(wrong)
        wanted = [each for each in order if each in SWITCHES][-1]
        await eventually(lambda: idle(world))
        status = await world.until(lambda now: now["reason"] in {"GuestBooted", "GuestOff", "Paused"})
        assert (status["vm"]["power"] == "Off") is (wanted == Update.STOP)
        assert status["observedGeneration"] == 2
        await world.delete()
        await world.audit(driver)


@pytest.mark.parametrize("attempt", range(3))
async def test_fault_24_stop_racing_start_racing_delete_leaves_nothing(world: World, attempt: int) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm(strategy="Manual"))
        await world.until_status("Stopped")
        racing = [
            *(world.handle().execute_update(each, PowerRequest()) for each in [*SWITCHES, *SWITCHES, *SWITCHES]),
            world.objects.delete(*world.key()),
        ]
        random.shuffle(racing)
        answers = await asyncio.gather(*racing, return_exceptions=True)
        wrong = [each for each in answers if isinstance(each, BaseException)]
        # Refused; or the VM was gone before the update came.
        assert all(isinstance(each, WorkflowUpdateFailedError | RPCError) for each in wrong), wrong
        assert await world.handle().result() == "deleted; nothing is left"
        await world.audit(driver)


# 25: the claim taken, then the worker killed


@pytest.fixture
async def bereft(world_without_workers: World) -> World:
    """A declared world that is ready and has no lifecycle worker any more."""
    world = world_without_workers
    async with world.lifecycle(), world.near():
        await world.declare()

        async def ready() -> bool:
            members = (await world.zone_status()).get("hypervisors", {})
            return bool(members.get(world.name, {}).get("ready"))

        await eventually(ready)
    return world


@pytest.fixture
def world_without_workers(client: Client, tmp_path: Path, image_server: ImageServer) -> World:
    return World(client, tmp_path / "host", image_server)


async def killed_at_its_claim(world: World, address: str, moment: str) -> None:
    """Declare a VM and let the worker that claims for it die there."""
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.workflows.claim_victim", address, moment, cwd=Path(__file__).parents[2]
    )
    try:
        await world.objects.apply(world.vm())
        async with asyncio.timeout(60):
            assert await victim.wait() < 0
    finally:
        with suppress(ProcessLookupError):
            victim.kill()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_fault_25_a_claim_whose_worker_was_killed_is_used(
    bereft: World, temporal_settings: Settings, moment: str
) -> None:
    world = bereft
    await killed_at_its_claim(world, temporal_settings.temporal_address, moment)
    async with world.lifecycle(), world.near() as driver:
        await world.until_status("Running")
        assert (await world.zone_status())["placed"] == 1
        await world.delete()
        await world.audit(driver)
        await world.end()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_fault_25_a_claim_whose_worker_was_killed_is_released_with_its_vm(
    bereft: World, temporal_settings: Settings, moment: str
) -> None:
    world = bereft
    await killed_at_its_claim(world, temporal_settings.temporal_address, moment)
    await world.objects.delete(*world.key())
    async with world.lifecycle(), world.near() as driver:
        assert await world.handle().result() == "deleted; nothing is left"
        assert driver.inventory() == []
        await world.audit(driver)
        await world.end()


async def test_fault_25_a_resize_whose_answer_was_lost_holds_the_room_that_is_needed(
    world: World, control: Control
) -> None:
    """The zone grants more room; before the guest gets it, the wish is taken back."""
    async with world.near() as driver:
        await world.objects.apply(at(world.vm(), "spec.resources.maxMemory", "200Gi"))
        await world.until_status("Running")
        rule = control.faults.inject(Fault(call="ensure_fitted", kind=Kind.HANG, times=None))
        small = at(world.vm(), "spec.resources.maxMemory", "200Gi")
        await world.replace(at(small, MEMORY, "200Gi"))
        await struck(control, rule)
        await world.replace(small)
        control.faults.withdraw(rule)
        await world.until(lambda now: now["resources"]["memory"] == "256 MiB" and now["reason"] == "GuestBooted")
        await world.objects.apply(at(world.vm("second"), MEMORY, "200Gi"))
        await world.until_status("Running", "second")
        for name in ("vm", "second"):
            await world.delete(name)
        await world.audit(driver)
