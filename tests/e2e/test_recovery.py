"""How long a VM waits for another worker when the one that works on it is killed.

A worker that is killed says nothing: the server misses its heartbeats, and hands the step to another one. The figure is
the time from the kill to the start of the next attempt, by the server's own clock. Two workers serve every task queue.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle

from images.download import CHUNK
from manifests.contract import Signal
from tests.e2e.audit import goes_without_a_trace, one_of_everything
from tests.e2e.spare import holder, pending, two_of_each
from tests.e2e.stacks import eventually
from tests.e2e.tenant import IMAGE, Tenant
from tests.image_server import ImageServer
from workflows.options import HEARTBEAT

pytestmark = [pytest.mark.qemu, pytest.mark.xdist_group("qemu")]

Figure = Callable[[str], None]
Recoveries = dict[str, timedelta]

BOUND = HEARTBEAT + timedelta(seconds=2)

DEAF = """#!/bin/sh
killall acpid qemu-ga
"""
"""User data of a guest that hears no request to shut down: it gets its whole grace."""


async def kill_in(handle: WorkflowHandle[Any, Any], activity: str, when: Callable[[], Awaitable[bool]]) -> timedelta:
    """Kill the worker that is at a step; return the time until another one has begun it again."""
    await eventually(when, f"{activity} is under way", every=0.002)
    found = await pending(handle, activity)
    assert found is not None, f"{activity} has ended before the kill"
    os.kill(holder(found), signal.SIGKILL)
    killed = datetime.now(UTC)
    again: datetime | None = None

    async def begun() -> bool:
        nonlocal again
        again = await _attempt(handle, activity, found)
        return again is not None

    await eventually(begun, f"{activity} is begun again", every=0.02)
    assert again is not None
    return again - killed


async def _attempt(handle: WorkflowHandle[Any, Any], activity: str, before: PendingActivityInfo) -> datetime | None:
    """Return when the attempt after one began; from history once the step has ended."""
    for each in (await handle.describe()).raw_description.pending_activities:
        if each.activity_id == before.activity_id and each.activity_type.name == activity:
            started = each.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            return each.last_started_time.ToDatetime(UTC) if started and each.attempt > before.attempt else None
    async for event in handle.fetch_history_events():
        started_event = event.activity_task_started_event_attributes
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED and started_event.attempt > before.attempt:
            return event.event_time.ToDatetime(UTC)
    raise AssertionError(f"{activity} has ended without another attempt")


async def test_an_interrupted_step_is_begun_again_within_the_heartbeat_timeout_and_two_seconds(
    qemu: Tenant, images: ImageServer, padded_tiny: Path, figure: Figure
) -> None:
    client = qemu.objects.client
    found: Recoveries = {}
    async with two_of_each(qemu.stack) as spare:
        await spare.ensure()
        images.rate = CHUNK / 4
        uid = await qemu.apply(
            qemu.vm(images.serve("/padded.qcow2", padded_tiny), cloudInit=DEAF, runStrategy="Manual")
        )
        vm = client.get_workflow_handle(qemu.workflow())
        watch = client.get_workflow_handle("Hypervisor/local")

        found["import_image"] = await kill_in(await _image(qemu), "import_image", lambda: _served(images))
        images.rate = None
        await qemu.until_status("Stopped")
        await spare.ensure()

        assert (await qemu.vmflow("start", "web")).code == 0
        found["ensure_running"] = await kill_in(vm, "ensure_running", lambda: _at(vm, "ensure_running"))
        await qemu.until_ready()
        await spare.ensure()

        assert (await qemu.vmflow("stop", "web")).code == 0
        found["ensure_stopped"] = await kill_in(vm, "ensure_stopped", lambda: _at(vm, "ensure_stopped"))
        await spare.ensure()
        found["ensure_stopped again"] = await kill_in(vm, "ensure_stopped", lambda: _at(vm, "ensure_stopped"))
        assert (await qemu.vmflow("stop", "web", "--force")).code == 0
        await qemu.until_status("Stopped")
        await spare.ensure()

        found["watch"] = await kill_in(watch, "watch", lambda: _at(watch, "watch"))
        await spare.ensure()
        found["a decision"] = await _decision(qemu, vm)
    await qemu.stack.up()
    told = ", ".join(f"{step} {taken.total_seconds():.1f}" for step, taken in found.items())
    worst = max(found.values()).total_seconds()
    figure(f"seconds from the kill to the next attempt: {told}; worst {worst:.1f}, bound {BOUND.total_seconds():.0f}")
    assert {step: taken for step, taken in found.items() if taken > BOUND} == {}
    await one_of_everything(qemu, web=uid)
    await goes_without_a_trace(qemu, "web")


async def _image(qemu: Tenant) -> WorkflowHandle[Any, Any]:
    """Return the workflow of the one image, as soon as there is one."""
    ids: list[str] = []

    async def there() -> bool:
        ids[:] = [each["metadata"]["name"] for each in await qemu.objects.list(IMAGE, qemu.namespace)]
        return bool(ids)

    await eventually(there, "the image is being imported")
    return qemu.objects.client.get_workflow_handle(f"Image/{qemu.namespace}/{ids[0]}")


async def _served(images: ImageServer) -> bool:
    return images.bytes_served > CHUNK


async def _at(handle: WorkflowHandle[Any, Any], activity: str) -> bool:
    return await pending(handle, activity) is not None


async def _decision(qemu: Tenant, vm: WorkflowHandle[Any, Any]) -> timedelta:
    """Kill the worker that has the VM in its cache, and return the time until another one takes its next decision."""
    decided = [
        each async for each in vm.fetch_history_events() if each.HasField("workflow_task_started_event_attributes")
    ]
    holder = decided[-1].workflow_task_started_event_attributes.identity
    os.kill(int(holder.partition("@")[0]), signal.SIGKILL)
    killed = datetime.now(UTC)
    await vm.signal(Signal.WAKE, "guest")
    taken: list[datetime] = []

    async def by_another() -> bool:
        taken[:] = [
            each.event_time.ToDatetime(UTC)
            async for each in vm.fetch_history_events()
            if each.HasField("workflow_task_started_event_attributes")
            and each.event_id > decided[-1].event_id
            and each.workflow_task_started_event_attributes.identity != holder
        ]
        return bool(taken)

    await eventually(by_another, "another worker takes the VM's decisions")
    return taken[0] - killed
