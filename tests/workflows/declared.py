"""A namespace's worth of declared objects for workflow tests, on real Temporal with real workers."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from manifests.contract import ReplaceAnswer, ReplaceRequest, Update, workflow_id
from manifests.registry import kind_called
from runtime.objects import Document, Objects
from tests.world import PATIENCE, eventually
from workers.lifecycle import workers

Handle = WorkflowHandle[Any, Any]


class Place:
    """A namespace of its own, so that no other test's objects meet these."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.objects = Objects(client)
        self.name = f"p{uuid.uuid4().hex[:8]}"

    def handle(self, kind: str, name: str) -> Handle:
        row = kind_called(kind)
        return self.client.get_workflow_handle(workflow_id(row.kind, name, self.name if row.namespaced else ""))

    async def start(self, kind: str, manifest: Any, *more: Any, name: str = "settings") -> Handle:
        """Start an object's workflow as any client may: without the checks a front end makes."""
        row = kind_called(kind)
        handle = self.handle(kind, name)
        return await self.client.start_workflow(
            row.workflow, args=[manifest, *more], id=handle.id, task_queue=row.queue
        )

    async def published(self, kind: str, name: str) -> Document:
        """Return an object once its workflow has published it."""
        found: Document = {}

        async def there() -> bool:
            nonlocal found
            description = await self.handle(kind, name).describe()
            found = await description.memo_value("object", default={})
            return "resourceVersion" in found.get("metadata", {})

        await eventually(there)
        return found

    async def listed(self, kind: str, names: list[str]) -> None:
        """Wait until a list shows these objects."""

        async def there() -> bool:
            documents = await self.objects.list(kind_called(kind), self.name)
            return [each["metadata"]["name"] for each in documents] == names

        await eventually(there)

    async def replace(
        self, document: Document, *, name: str = "", request: str = "", resource_version: str = ""
    ) -> ReplaceAnswer:
        """Edit an object by its workflow's update, as any client may."""
        asked = ReplaceRequest(manifest=document, request=request, resource_version=resource_version)
        kind = "ConfigMap" if name else document["kind"]
        handle = self.handle(kind, name or document["metadata"]["name"])
        answer: ReplaceAnswer = await handle.execute_update(Update.REPLACE, asked, result_type=ReplaceAnswer)
        return answer

    async def delete(self, kind: str, name: str) -> None:
        """Delete an object and wait until its life is over."""
        await self.objects.delete(kind_called(kind), name, self.name)
        async with asyncio.timeout(PATIENCE):
            await self.handle(kind, name).result()

    async def end(self) -> None:
        """End whatever is left, without asking."""
        async for each in self.client.list_workflows("ExecutionStatus = 'Running'"):
            if self.name in each.id:
                with suppress(RPCError):  # lists show a workflow for a moment after its end
                    await self.client.get_workflow_handle(each.id).terminate("the test is over")

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Place"]:
        """Serve workflows meanwhile."""
        async with AsyncExitStack() as stack:
            for worker in workers(self.client):
                await stack.enter_async_context(worker)
            yield self
            await self.end()


def config_map(place: Place, data: dict[str, str], **metadata: Any) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": place.name, **metadata},
        "data": data,
    }


def namespace(place: Place) -> Document:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.name}}


def refusal_of(caught: pytest.ExceptionInfo[WorkflowUpdateFailedError]) -> ApplicationError:
    """Return why an update was refused."""
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    return cause
