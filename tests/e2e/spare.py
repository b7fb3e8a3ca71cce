"""A second worker for each of a stack's task queues, and who is at a step."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle

from runtime.launch import identify
from runtime.services import Worker, polls, workers
from tests.e2e.stacks import ROOT, PrivateStack, eventually


class Spare:
    """A second worker beside each of a stack's; whichever of the two is killed, the other one goes on."""

    def __init__(self, stack: PrivateStack) -> None:
        self._stack = stack
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def ensure(self) -> None:
        """See that two workers serve every task queue."""
        await self._stack.up()
        for worker in workers(self._stack.settings):
            spare = self._running.get(worker.name)
            if spare is None or spare.returncode is not None:
                self._running[worker.name] = await self._start(worker)

    async def _start(self, worker: Worker) -> asyncio.subprocess.Process:
        log = self._stack.settings.home / f"logs/spare-{worker.name}.log"
        with log.open("ab") as output:
            started = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "workers", *worker.arguments),
                cwd=ROOT,
                env={**os.environ, **self._stack.settings.environment()},
                stdout=output,
                stderr=output,
            )
        identity = identify(started.pid)
        assert identity is not None
        await eventually(lambda: polls(self._stack.objects.client, worker, identity), f"the spare {worker.name} serves")
        return started

    async def end(self) -> None:
        for each in self._running.values():
            if each.returncode is None:
                each.terminate()
            await each.wait()


@asynccontextmanager
async def two_of_each(stack: PrivateStack) -> AsyncIterator[Spare]:
    spare = Spare(stack)
    try:
        yield spare
    finally:
        await spare.end()


async def pending(handle: WorkflowHandle[Any, Any], activity: str) -> PendingActivityInfo | None:
    """Return a workflow's activity of a type, while a worker is at it."""
    for each in (await handle.describe()).raw_description.pending_activities:
        started = each.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        if each.activity_type.name == activity and started:
            return each
    return None


def holder(activity: PendingActivityInfo) -> int:
    """Return the process of the worker that is at a step."""
    return int(activity.last_worker_identity.partition("@")[0])
