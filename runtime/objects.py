"""Objects over Temporal: create, get, list, delete and operate them, as every front end does.

An object is an open workflow whose memo is the object. Reads ask the server alone; creating starts a workflow, deleting
sends a signal: both are accepted with every worker down. Operations are updates and need a worker to be accepted.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.client import (
    WorkflowExecution as ListedExecution,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.names import check_label
from domain.problem import Problem
from manifests.base import InvalidManifestError
from manifests.contract import (
    OBJECT_MEMO,
    PowerAnswer,
    PowerRequest,
    SearchAttribute,
    Signal,
    Update,
    workflow_id,
)
from manifests.registry import Kind, id_of, kind_called, kind_of, parse
from runtime.wait import until

Document = dict[str, Any]
"""An object as people read it: apiVersion, kind, metadata, spec, status."""

LISTED_WITHIN = 10.0
"""Seconds a create waits at most until lists show the object."""

ANSWER_WITHIN = timedelta(seconds=10)
"""How long an operation waits for a worker to accept it."""


class Applied(StrEnum):
    """What applying a manifest did."""

    CREATED = "created"
    UNCHANGED = "unchanged"


class Objects:
    """Every object of one Temporal namespace."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def apply(self, document: Mapping[str, Any]) -> Applied:
        """Create the object a manifest declares; the same manifest again changes nothing.

        Raises InvalidManifestError, or Problem.terminal `Conflict` when the object exists with another spec.
        """
        kind, manifest = kind_of(document), parse(document)
        declared, object_id = manifest.document(), id_of(manifest)
        try:
            await self._client.start_workflow(
                kind.workflow,
                declared,
                id=object_id,
                task_queue=kind.queue,
                memo={OBJECT_MEMO: declared},
                search_attributes=_attributes(kind, manifest.namespace, manifest.metadata.name),
            )
        except WorkflowAlreadyStartedError as error:
            existing = await self.get(kind, manifest.metadata.name, manifest.namespace)
            if _spec(existing) != declared.get("spec"):
                raise Problem.terminal(
                    "Conflict",
                    "exists with another spec, and a spec cannot be changed yet; delete it and apply again",
                    field=object_id,
                ) from error
            return Applied.UNCHANGED
        async with asyncio.timeout(LISTED_WITHIN):
            await until(lambda: self._listed(object_id), every=0.05)
        return Applied.CREATED

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Document:
        """Return one object; Problem.terminal `NotFound` when there is none. Strongly consistent."""
        return await self._document(await self.describe(kind, name, namespace))

    async def describe(self, kind: Kind, name: str, namespace: str = "") -> WorkflowExecutionDescription:
        """Return what the server knows of an object's workflow, its pending activities included."""
        object_id = workflow_id(kind.kind, name, namespace if kind.namespaced else "")
        try:
            description = await self._client.get_workflow_handle(object_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise _not_found(kind, name) from error
            raise
        if description.status is not WorkflowExecutionStatus.RUNNING:
            raise _not_found(kind, name)
        return description

    async def list(self, kind: Kind, namespace: str = "") -> list[Document]:
        """Return all objects of a kind, of one namespace or of all, by namespace and name. Eventually consistent."""
        query = f"{SearchAttribute.KIND} = '{kind.kind}' AND ExecutionStatus = 'Running'"
        if namespace and kind.namespaced:
            _check_namespace(namespace)
            query += f" AND {SearchAttribute.NAMESPACE} = '{namespace}'"
        documents = [await self._document(listed) async for listed in self._client.list_workflows(query)]
        return sorted(documents, key=lambda each: (each["metadata"].get("namespace", ""), each["metadata"]["name"]))

    async def delete(self, kind: Kind, name: str, namespace: str = "") -> None:
        """Ask an object to go; Problem.terminal `NotFound` when there is none. It is gone when `get` says so."""
        description = await self.describe(kind, name, namespace)
        try:
            await self._client.get_workflow_handle(description.id).signal(Signal.DELETE)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:  # its life has ended since
                raise _not_found(kind, name) from error
            raise

    async def operate(self, update: Update, request: PowerRequest, name: str, namespace: str) -> PowerAnswer:
        """Ask a VM for an operation and return when it is accepted, not when it is done.

        Raises Problem.terminal with the refusal's type, and Problem.retry `Unavailable` when no worker answers in time;
        the operation may still be applied then, so repeat it with the same request id.
        """
        description = await self.describe(kind_called("virtualservers"), name, namespace)
        handle = self._client.get_workflow_handle(description.id)
        try:
            answer: PowerAnswer = await handle.execute_update(
                update,
                request,
                id=request.request or None,
                result_type=PowerAnswer,
                rpc_timeout=ANSWER_WITHIN,
            )
        except WorkflowUpdateFailedError as error:
            refused = error.cause
            if not isinstance(refused, ApplicationError):
                raise
            raise Problem.terminal(refused.type or "Refused", refused.message, field=description.id) from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise Problem.retry(
                "Unavailable",
                f"no worker accepted the {update} within {ANSWER_WITHIN.seconds} s; start one (vmflow up), then repeat",
                field=description.id,
            ) from error
        return answer

    @property
    def client(self) -> Client:
        """The Temporal client, for what is not about one object."""
        return self._client

    async def _listed(self, object_id: str) -> bool:
        count = await self._client.count_workflows(f"WorkflowId = '{object_id}' AND ExecutionStatus = 'Running'")
        return count.count > 0

    async def _document(self, execution: ListedExecution) -> Document:
        """Return the published object; before its workflow's first task, the manifest it was started with."""
        document: Document | None = await execution.memo_value(OBJECT_MEMO, default=None)
        return document if document is not None else await self._input(execution)

    async def _input(self, execution: ListedExecution) -> Document:
        response = await self._client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=execution.id, run_id=execution.run_id),
                maximum_page_size=1,
            ),
        )
        payloads = response.history.events[0].workflow_execution_started_event_attributes.input.payloads
        (document,) = await self._client.data_converter.decode(payloads[:1], [Document])
        return {**document}


def _spec(existing: Document) -> Document | None:
    """Return an object's spec as this version writes it: what an older one left to a default is filled in."""
    written: Document = {name: existing.get(name) for name in ("apiVersion", "kind", "metadata", "spec")}
    try:
        spec: Document | None = parse(written).document().get("spec")
    except InvalidManifestError:
        return existing.get("spec")
    return spec


def _attributes(kind: Kind, namespace: str, name: str) -> TypedSearchAttributes:
    pairs = {SearchAttribute.KIND: kind.kind, SearchAttribute.NAMESPACE: namespace, SearchAttribute.NAME: name}
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(key), value) for key, value in pairs.items() if value],
    )


def _check_namespace(namespace: str) -> None:
    """See that a word from outside is a namespace, before it becomes part of a query."""
    try:
        check_label(namespace)
    except ValueError as error:
        raise Problem.terminal("Invalid", str(error), field=f"namespace {namespace!r}") from error


def _not_found(kind: Kind, name: str) -> Problem:
    return Problem.terminal("NotFound", f"{kind.plural} {name!r} not found", field=name)
