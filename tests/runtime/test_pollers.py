"""Who asks a task queue for work."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import Client
from temporalio.worker import Worker

from runtime import pollers
from runtime.pollers import abandoned, last_poll
from tests.e2e.stacks import eventually

STEPS = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


@activity.defn
async def nothing() -> None:
    """Do nothing."""


async def test_a_queue_nobody_ever_asked_is_abandoned(client: Client) -> None:
    queue = f"queue-{uuid4()}"
    assert await last_poll(client, queue, STEPS) is None
    assert await abandoned(client, queue, STEPS)


async def test_a_queue_is_served_until_its_worker_has_been_silent_for_long(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = f"queue-{uuid4()}"

    async def served() -> bool:
        return not await abandoned(client, queue, STEPS)

    async with Worker(client, task_queue=queue, activities=[nothing]):
        await eventually(served, "the worker asks for work")
        last = await last_poll(client, queue, STEPS)
        assert last is not None
        assert datetime.now(UTC) - last < timedelta(minutes=1)
        monkeypatch.setattr(pollers, "ABANDONED", timedelta())
        assert await abandoned(client, queue, STEPS), "it has asked, but too long ago"
