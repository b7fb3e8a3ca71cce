"""Who asks a task queue for work: whether anybody is there to do what is asked."""

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

ABANDONED = timedelta(seconds=75)
"""A worker that lives asks at least every minute (the server's longest poll); one silent for longer is gone."""

QueueKind = TaskQueueType.ValueType


async def last_poll(client: Client, queue: str, kind: "TaskQueueType.ValueType") -> datetime | None:
    """Return when a task queue was last asked for work; None when not within the minutes a server remembers."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=kind,
    )
    pollers = (await client.workflow_service.describe_task_queue(request)).pollers
    return max((poller.last_access_time.ToDatetime(UTC) for poller in pollers), default=None)


async def abandoned(client: Client, queue: str, kind: "TaskQueueType.ValueType") -> bool:
    """Tell whether nobody serves a task queue. A worker that was just killed is noticed after `ABANDONED`."""
    last = await last_poll(client, queue, kind)
    return last is None or datetime.now(UTC) - last > ABANDONED
