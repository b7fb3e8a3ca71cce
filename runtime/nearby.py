"""Questions that only the worker near a hypervisor can answer: each is a workflow of its own, run to its end."""

from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from domain.problem import Problem
from manifests.contract import LIFECYCLE_QUEUE, ChannelRequest, ConsoleRequest, WorkflowType
from manifests.registry import kind_called
from runtime.objects import Objects

_T = TypeVar("_T")

LOG_WITHIN = timedelta(seconds=40)
"""How long a console's text is waited for: a queue nobody serves is noticed a little earlier."""


async def answer(  # noqa: PLR0913 - each is one thing a question says
    client: Client,
    question: WorkflowType,
    request: ChannelRequest | ConsoleRequest,
    form: type[_T],
    *,
    about: str,
    within: timedelta,
) -> _T:
    """Return what a hypervisor's worker answers; about: the VM, as `<namespace>/<name>`.

    Raises Problem.retry: with the refusal's reason, or `Unavailable` when no worker answers in time.
    """
    try:
        answered: _T = await client.execute_workflow(
            question,
            request,
            id=f"{question}/{about}/{uuid4()}",
            task_queue=LIFECYCLE_QUEUE,
            result_type=form,
            execution_timeout=within,
        )
    except WorkflowFailureError as error:
        refused = error.cause.__cause__  # of the activity
        if isinstance(refused, ApplicationError):
            raise Problem.retry(refused.type or "Refused", refused.message, field=about) from error
        message = f"no worker of hypervisor {request.hypervisor} answered; start one (vmflow up), then repeat"
        raise Problem.retry("Unavailable", message, field=about) from error
    return answered


async def console_log(objects: Objects, name: str, namespace: str, limit: int) -> str:
    """Return the last `limit` bytes of what a VM's guest wrote to its serial console since its power-on.

    Raises Problem `NotFound` or `NotPlaced`, and as `answer` does.
    """
    document = await objects.get(kind_called("virtualservers"), name, namespace)
    hypervisor = document.get("status", {}).get("placement", {}).get("hypervisor", "")
    if not hypervisor:
        raise Problem.wait("NotPlaced", "is not on a hypervisor yet, so it has no console", field=name)
    request = ConsoleRequest(hypervisor=hypervisor, uid=document["metadata"]["uid"], limit=limit)
    return await answer(
        objects.client, WorkflowType.CONSOLE, request, str, about=f"{namespace}/{name}", within=LOG_WITHIN
    )
