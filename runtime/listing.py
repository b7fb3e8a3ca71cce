"""Which workflows are open, as the server's visibility lists them: eventually consistent, and nobody is missing.

A life that goes on in another run (continue-as-new) may be listed as closed before its next run is listed as open:
who lists then would take an object for gone that was never away.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from manifests.contract import OBJECT_MEMO
from runtime.payloads import said

LAG = timedelta(minutes=2)
"""For how long after its end a run that was continued is asked after, when its next one is not listed."""


async def open_workflows(client: Client, query: str, *, page_size: int = 1000) -> AsyncIterator[WorkflowExecution]:
    """Yield the open workflows that a query finds, one run of each, in no order.

    Those that have just gone on in another run, which the list lacks, come last, as descriptions. The query found their
    run before that: what it asks of their status may not be so any more.
    """
    listed, continued = set[str](), set[str]()
    since = (datetime.now(UTC) - LAG).isoformat()
    went_on = f"(ExecutionStatus = 'ContinuedAsNew' AND CloseTime > '{since}')"
    async for execution in client.list_workflows(
        f"{query} AND (ExecutionStatus = 'Running' OR {went_on})", page_size=page_size
    ):
        if execution.status is not WorkflowExecutionStatus.RUNNING:
            continued.add(execution.id)
        elif execution.id not in listed:
            listed.add(execution.id)
            yield execution
    for each in sorted(continued - listed):
        description = await living(client, each)
        if description is not None:
            yield description


async def memo(client: Client, execution: WorkflowExecution) -> object:
    """Return what a workflow publishes as its object, whatever that is; None when it has published nothing."""
    fields = execution.raw_info.memo.fields
    if OBJECT_MEMO not in fields:
        return None
    (document,) = await said(client.data_converter, [fields[OBJECT_MEMO]])
    return document


async def living(client: Client, workflow_id: str) -> WorkflowExecutionDescription | None:
    """Return what the server knows of a workflow that is open; None when there is none. Strongly consistent."""
    try:
        description = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    return description if description.status is WorkflowExecutionStatus.RUNNING else None
