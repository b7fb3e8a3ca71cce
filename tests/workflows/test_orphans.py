"""Guests and claims of a VM whose workflow was terminated: reported, given back, never destroyed unasked."""

import uuid
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind
from manifests.contract import DiscardAnswer, DiscardRequest, Report, Signal, Update
from manifests.registry import kind_called
from tests.world import World, eventually


async def orphans(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.hypervisor_status()).get("orphans", [])
    return found


async def swept(world: World, control: Control) -> None:
    """Let the listeners lose their connection, which ends in a sweep."""
    control.unreachable(cut=True)
    control.unreachable(cut=False)


async def orphaned(world: World, control: Control) -> str:
    """Run a VM, terminate its workflow, and wait until its domain is reported; return its UID."""
    await world.objects.apply(world.vm())
    await world.until_status("Running")
    uid = await world.uid()
    await world.handle().terminate()
    await swept(world, control)

    async def reported() -> bool:
        return bool(await orphans(world))

    await eventually(reported)
    return uid


async def discard(world: World, uid: str) -> DiscardAnswer:
    handle = world.client.get_workflow_handle(f"Hypervisor/{world.name}")
    answer: DiscardAnswer = await handle.execute_update(
        Update.DISCARD, DiscardRequest(uid=uid), result_type=DiscardAnswer
    )
    return answer


async def test_a_domain_whose_vm_was_terminated_is_reported_and_left_alone(world: World, control: Control) -> None:
    async with world.near() as driver:
        uid = await orphaned(world, control)
        status = await world.hypervisor_status()
        assert status["orphans"] == [{"uid": uid, "owner": f"{world.name}/vm", "power": "Running", "trouble": ""}]
        assert (status["printableStatus"], status["reason"]) == ("Ready", "OrphanedDomains")
        assert driver.observe(uid).alive
        assert (await world.zone_status())["placed"] == 1


async def test_a_discarded_orphan_leaves_nothing(world: World, control: Control) -> None:
    async with world.near() as driver:
        uid = await orphaned(world, control)
        assert (await discard(world, uid)).owner == f"{world.name}/vm"

        async def gone() -> bool:
            return str((await world.hypervisor_status())["reason"]) == "Watching"

        await eventually(gone)
        await world.audit(driver)


async def test_of_several_orphans_only_the_one_that_was_named_is_discarded(world: World, control: Control) -> None:
    async with world.near() as driver:
        for name in ("kept", "gone"):
            await world.objects.apply(world.vm(name))
            await world.until_status("Running", name)
        uids = {name: await world.uid(name) for name in ("kept", "gone")}
        for name in uids:
            await world.handle(name).terminate()
        await swept(world, control)

        async def reported(*names: str) -> bool:
            return {each["uid"] for each in await orphans(world)} == {uids[name] for name in names}

        await eventually(lambda: reported("kept", "gone"))
        await discard(world, uids["gone"])
        await eventually(lambda: reported("kept"))
        assert [seen.uid for seen in driver.inventory()] == [uids["kept"]]
        await discard(world, uids["kept"])
        await eventually(reported)


async def test_a_hypervisor_that_was_never_accepted_has_nothing_to_report_or_discard(world: World) -> None:
    kind = kind_called("hypervisors")
    handle = await world.client.start_workflow(
        kind.workflow, "no manifest", id=f"Hypervisor/{world.name}-refused", task_queue=kind.queue
    )
    await handle.signal(Signal.REPORT, Report())
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update(Update.DISCARD, DiscardRequest(uid="uid"))
    await handle.signal(Signal.DELETE)
    assert await handle.result() == "deleted; its manifest was never accepted"


async def test_what_is_no_orphan_is_not_discarded(world: World, control: Control) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await discard(world, await world.uid())
        assert isinstance(caught.value.cause, ApplicationError)
        assert caught.value.cause.type == "NotAnOrphan"
        assert driver.observe(await world.uid()).alive
        await world.delete()


@pytest.mark.usefixtures("hasty")
async def test_an_orphan_that_cannot_be_discarded_stays_reported_with_the_reason(
    world: World, control: Control
) -> None:
    async with world.near() as driver:
        uid = await orphaned(world, control)
        rule = control.faults.inject(Fault(call="ensure_removed", kind=Kind.ERROR, times=None))
        for _ in range(2):
            await discard(world, uid)

        async def troubled() -> bool:
            return any(each["trouble"] for each in await orphans(world))

        await eventually(troubled)
        assert driver.observe(uid).alive
        control.faults.withdraw(rule)
        await discard(world, uid)
        await world.objects.delete(kind_called("hypervisors"), world.name)
        await world.client.get_workflow_handle(f"Hypervisor/{world.name}").result()
        assert driver.inventory() == []


async def test_a_terminated_vm_that_is_reset_owns_its_guest_again(world: World, control: Control) -> None:
    async with world.near() as driver:
        uid = await orphaned(world, control)
        before = driver.observe(uid)
        history = await world.handle().fetch_history()
        finished = [
            each.event_id for each in history.events if each.event_type is EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        ]
        await world.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=world.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=world.handle().id),
                reason="it was terminated by mistake",
                workflow_task_finish_event_id=finished[-1],
                request_id=str(uuid.uuid4()),
            )
        )
        assert await world.uid() == uid
        await discard(world, uid)

        async def nobody_is_reported() -> bool:
            return not await orphans(world)

        await eventually(nobody_is_reported)
        assert (await world.until_status("Running"))["vm"]["incarnation"] == before.incarnation
        assert driver.observe(uid) == before
        await world.delete()
        await world.audit(driver)


async def test_a_claim_whose_vm_was_terminated_is_given_back(world: World, control: Control) -> None:
    world.server.resource("/disk.qcow2").status = 404
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until(lambda status: status.get("reason") == "ImageNotFound")
        assert (await world.zone_status())["placed"] == 1
        await world.handle().terminate()
        await swept(world, control)

        async def released() -> bool:
            return int((await world.zone_status())["placed"]) == 0

        await eventually(released)
        assert driver.leftovers() == []


async def test_a_claim_that_waits_for_nobody_is_given_back(world: World, control: Control) -> None:
    async with world.near():
        large = world.vm()
        large["spec"]["resources"]["memory"] = "1Ti"
        await world.objects.apply(large)
        await world.until_status("FailedUnschedulable")
        await swept(world, control)
        assert (await world.zone_status())["waiting"] == 1
        await world.handle().terminate()

        async def forgotten() -> bool:
            await swept(world, control)
            return int((await world.zone_status())["waiting"]) == 0

        await eventually(forgotten)
