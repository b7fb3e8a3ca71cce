"""Whether the worker of this container asks its task queues for work: the health check of docker-compose.yml.

    python -m deploy.worker_health QUEUE…      exits with 1, and names the queues nobody here asks, when it does not

The server remembers who asked, by the worker's identity, which ends in the name of its host. A worker that has no slot
left does not ask; one that stays so for longer than a poll takes counts as unhealthy, and rightly gets attention.
"""

import argparse
import asyncio
import socket
import sys
import time
from collections.abc import Sequence

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from domain.problem import Problem
from runtime.client import connect
from runtime.settings import Settings

RECENT = 90.0
"""Seconds since the last poll. One that finds no work is answered after 60 s, and the next follows at once."""

_PATIENCE = 10.0
_KINDS = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)


async def silent(client: Client, queues: Sequence[str], host: str) -> list[str]:
    """Return the task queues nobody on a host has asked for work recently."""
    since = time.time() - RECENT
    return [queue for queue in queues if not any(_asks(each, host, since) for each in await _pollers(client, queue))]


def _asks(poller: PollerInfo, host: str, since: float) -> bool:
    return poller.identity.endswith(f"@{host}") and poller.last_access_time.ToMicroseconds() / 1e6 >= since


async def _pollers(client: Client, queue: str) -> list[PollerInfo]:
    found: list[PollerInfo] = []
    for kind in _KINDS:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=kind,
        )
        found += (await client.workflow_service.describe_task_queue(request)).pollers
    return found


async def _check(queues: Sequence[str]) -> list[str]:
    return await silent(await connect(Settings(), patience=_PATIENCE), queues, socket.gethostname())


def main(arguments: Sequence[str]) -> None:
    """Check once."""
    parser = argparse.ArgumentParser(prog="python -m deploy.worker_health", description=__doc__)
    parser.add_argument("queues", nargs="+", metavar="QUEUE")
    try:
        missing = asyncio.run(_check(parser.parse_args(arguments).queues))
    except Problem as problem:
        sys.exit(str(problem))
    if missing:
        sys.exit(f"no worker on this host has asked {', '.join(missing)} for work within {RECENT:g} s")


if __name__ == "__main__":
    main(sys.argv[1:])
