"""Row 3 on real QEMU: a worker that is not dead but frozen. It is given up, and then it comes back in mid-step."""

import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from images.download import CHUNK
from tests.e2e.audit import goes_without_a_trace, one_of_everything
from tests.e2e.spare import holder, pending, two_of_each
from tests.e2e.stacks import eventually
from tests.e2e.tenant import IMAGE, Tenant
from tests.image_server import ImageServer

pytestmark = [pytest.mark.qemu, pytest.mark.xdist_group("qemu")]


async def freeze_in(handle: WorkflowHandle[Any, Any], activity: str, when: Callable[[], Awaitable[bool]]) -> None:
    """Freeze the worker that is at a step until another one has begun it again; then let it go on, beside that one."""
    await eventually(when, f"{activity} is under way", every=0.002)
    found = await pending(handle, activity)
    assert found is not None, f"{activity} has ended before the freeze"
    frozen = holder(found)
    os.kill(frozen, signal.SIGSTOP)
    try:

        async def taken_over() -> bool:
            now = await pending(handle, activity)
            return now is not None and now.attempt > found.attempt and holder(now) != frozen

        await eventually(taken_over, f"another worker begins {activity}")
    finally:
        with suppress(ProcessLookupError):
            os.kill(frozen, signal.SIGCONT)


async def test_fault_03_a_worker_that_comes_back_to_a_step_that_was_given_to_another_changes_nothing(
    qemu: Tenant, images: ImageServer, padded_tiny: Path
) -> None:
    images.rate = CHUNK / 4
    async with two_of_each(qemu.stack) as spare:
        await spare.ensure()
        url = images.serve("/padded.qcow2", padded_tiny)
        uid = await qemu.apply(qemu.vm(url, runStrategy="Manual"))

        async def some_has_come() -> bool:
            return images.bytes_served > CHUNK

        await eventually(some_has_come, "the image is being imported")
        (image,) = [each["metadata"]["name"] for each in await qemu.objects.list(IMAGE, qemu.namespace)]
        importing = qemu.objects.client.get_workflow_handle(f"Image/{qemu.namespace}/{image}")
        await freeze_in(importing, "import_image", some_has_come)
        images.rate = None
        await qemu.until_status("Stopped")
        await one_of_everything(qemu, web=uid)

        async def building() -> bool:
            return await pending(vm, "ensure_running") is not None

        vm = qemu.objects.client.get_workflow_handle(qemu.workflow())
        assert (await qemu.vmflow("start", "web")).code == 0
        await freeze_in(vm, "ensure_running", building)
        status = await qemu.until_ready()
        assert status["exits"] == 0, "it was powered on once"
        await one_of_everything(qemu, web=uid)
    await goes_without_a_trace(qemu, "web")
