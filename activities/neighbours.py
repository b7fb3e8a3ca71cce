"""Other lives, as an activity meets them. Any of them may have ended: that is an answer, not an error."""

from typing import Any

import structlog
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from manifests.contract import Signal
from runtime.listing import living, memo

log = structlog.get_logger()


async def signal(client: Client, target: str, name: Signal, *arguments: object) -> bool:
    """Signal a workflow by its id; return whether there was one to be signalled. One that is gone is logged."""
    try:
        await client.get_workflow_handle(target).signal(name, args=arguments)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        log.warning("nobody is there to be signalled", workflow=target, signal=name.value)
        return False
    return True


async def published(client: Client, listed: WorkflowExecution) -> dict[str, Any]:
    """Return the object that a workflow publishes; an empty one where that is none: anybody may start a workflow."""
    document = await memo(client, listed)
    parts = {"metadata", "spec", "status"}
    if not isinstance(document, dict) or not all(isinstance(document.get(part, {}), dict) for part in parts):
        return {}
    return document


async def living_uid(client: Client, target: str) -> str:
    """Return the UID of the object whose workflow is open under an id; empty when none is. Strongly consistent."""
    description = await living(client, target)
    return "" if description is None else str(description.raw_description.workflow_execution_info.first_run_id)
