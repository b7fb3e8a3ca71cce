"""The way to the objects by Temporal itself: everything its server knows of them, pending activities included."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState, PendingWorkflowTaskState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription

from cli import heartbeats
from cli.channels import Channel, dialed
from cli.render import dig
from cli.served import unserved
from cli.ways import Findings, Now
from domain.access import EVERYWHERE
from domain.channel import Endpoint
from manifests.base import DEFAULT_NAMESPACE
from manifests.contract import (
    DeleteRequest,
    DiscardAnswer,
    DiscardRequest,
    PowerAnswer,
    PowerRequest,
    ReplaceRequest,
    Update,
)
from manifests.registry import Kind, kind_called
from runtime.nearby import console_log
from runtime.objects import GO, Applied, Document, Objects
from runtime.story import Line, runs, tell, words

_VM = kind_called("virtualservers")


class ByTemporal:
    """A `cli.ways.Way`."""

    namespace = DEFAULT_NAMESPACE

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def apply(self, document: Document, *, by: str) -> Applied:
        """Start a workflow, or ask the one that runs to replace its manifest."""
        return await self._objects.apply(document, by=by)

    async def create(self, document: Mapping[str, Any]) -> None:
        """Start a workflow."""
        await self._objects.create(document)

    async def replace(self, document: Mapping[str, Any], request: ReplaceRequest) -> object:
        """Ask a workflow to replace its manifest."""
        return await self._objects.replace(document, request)

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Document:
        """Return a workflow's memo."""
        return await self._objects.get(kind, name, namespace or self.namespace)

    async def list(self, kind: Kind, namespace: str = "") -> list[Document]:
        """Return the memos of the workflows that are listed."""
        return await self._objects.list(kind, "" if namespace == EVERYWHERE else namespace or self.namespace)

    async def delete(self, kind: Kind, name: str, namespace: str = "", request: DeleteRequest = GO) -> None:
        """Send a signal."""
        await self._objects.delete(kind, name, namespace or self.namespace, request)

    async def operate(self, update: Update, request: PowerRequest, name: str, namespace: str = "") -> PowerAnswer:
        """Ask for an update."""
        return await self._objects.operate(update, request, name, namespace or self.namespace)

    async def discard(self, hypervisor: str, request: DiscardRequest) -> DiscardAnswer:
        """Ask a hypervisor's workflow for an update."""
        return await self._objects.discard(hypervisor, request)

    async def unserved(self, kind: Kind) -> str:
        """Ask who polls the kind's task queue."""
        return await unserved(self._objects, kind)

    async def now(self, machine: Document) -> Now:
        """Look at the heartbeats of pending activities, too."""
        return await heartbeats.now(self._objects, machine)

    async def findings(self, name: str, namespace: str = "") -> Findings:
        """Look at the workflow's pending task and activities, and at the history of its run."""
        description = await self._objects.describe(_VM, name, namespace or self.namespace)
        document, client = await self._objects.document(description), self._objects.client
        handle = client.get_workflow_handle(description.id, run_id=description.run_id)
        return Findings(
            document=document,
            doing=(await self.now(document)).text,
            missing=await unserved(self._objects, _VM, str(dig(document, "status", "placement", "hypervisor"))),
            attempt=description.raw_description.pending_workflow_task.attempt,
            pending=tuple(_pending(description)),
            trouble=tuple([line async for line in tell([handle], client.data_converter) if line.kind == "trouble"]),
        )

    async def story(self, name: str, namespace: str = "") -> tuple[Line, ...]:
        """Tell the history, as far back as the server keeps it."""
        description = await self._objects.describe(_VM, name, namespace or self.namespace)
        lived = await runs(self._objects.client, description.id, description.run_id)
        return tuple([line async for line in tell(lived, self._objects.client.data_converter)])

    async def console_log(self, name: str, namespace: str, limit: int) -> str:
        """Have it read near the hypervisor."""
        return await console_log(self._objects, name, namespace or self.namespace, limit)

    @asynccontextmanager
    async def channel(self, name: str, namespace: str, endpoint: Endpoint, port: int = 0) -> AsyncIterator[Channel]:
        """Dial the relay of the guest's hypervisor."""
        async with dialed(self._objects, name, namespace or self.namespace, endpoint, port) as guest:
            yield guest


def _pending(description: WorkflowExecutionDescription) -> Iterator[str]:
    """Yield the steps under way, and the decision that waits for a worker."""
    decision = description.raw_description.pending_workflow_task
    if decision.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED:
        yield f"its next decision, waits for a worker since {decision.scheduled_time.ToDatetime():%H:%M:%SZ}"
    for each in description.raw_description.pending_activities:
        why = words(each.last_failure)
        after = f", after: {why}" if why else ""
        yield f"{each.activity_type.name}, attempt {each.attempt}{_waits(each)}{after}"


def _waits(pending: PendingActivityInfo) -> str:
    scheduled = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    return ", waits for a worker" if scheduled else ""
