"""Objects over Temporal: create, get, list, delete and operate them, as every front end does.

An object is an open workflow whose memo is the object. Reads ask the server alone; creating starts a workflow, deleting
sends a signal: both are accepted with every worker down. Operations are updates and need a worker to be accepted.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.client import (
    WorkflowExecution as ListedExecution,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.model import Value
from domain.names import check_label
from domain.problem import Problem
from manifests.base import InvalidManifestError
from manifests.contract import (
    OBJECT_MEMO,
    DeleteRequest,
    DiscardAnswer,
    DiscardRequest,
    PowerAnswer,
    PowerRequest,
    ReplaceAnswer,
    ReplaceRequest,
    SearchAttribute,
    Signal,
    Update,
    version_at,
    workflow_id,
)
from manifests.registry import Kind, check_size, id_of, kind_called, kind_of, parse
from manifests.status import timestamp
from runtime.listing import living, memo, open_workflows
from runtime.payloads import said
from runtime.pollers import abandoned
from runtime.sealing import Keyring
from runtime.wait import until

_T = TypeVar("_T", bound=Value)

Document = dict[str, Any]
"""An object as people read it: apiVersion, kind, metadata, spec, status."""

LISTED_WITHIN = 10.0
"""Seconds a create waits at most until lists show the object."""

ANSWER_WITHIN = timedelta(seconds=30)
"""How long an operation waits for a worker to accept it. A decision that a worker took along as it died is given to
another one after ten seconds; that one must read the object's history first, beside everything else it was left."""

A_MOMENT = timedelta(seconds=2)
"""The same where nobody asks the task queue for work: one may just have come."""

_LATELY = 100
"""How many of the last events of a life that waits for a worker are looked at for a request to go."""

GO = DeleteRequest()
"""A delete by nobody in particular, with the grace that is declared."""

CODES = {
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "InvalidManifest": 422,
    "Unavailable": 503,
}
"""What Kubernetes' clients know refusals by: the HTTP status code of each reason."""


class Applied(StrEnum):
    """What applying a manifest did, in kubectl's words."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


class Objects:
    """Every object of one Temporal namespace. Secrets are stored sealed, and come sealed; `opened` opens them."""

    def __init__(self, client: Client, keyring: Keyring | None = None) -> None:
        self._client = client
        self._keyring = keyring or Keyring()

    async def apply(self, document: Mapping[str, Any], *, by: str = "") -> Applied:
        """Create the object a manifest declares, or edit the one that is there; the same manifest changes nothing.

        by: who asks. Raises InvalidManifestError, Problem.terminal `Conflict` when the object is of a kind that is not
        edited, and what `replace` raises.
        """
        kind, manifest = kind_of(document), parse(document)
        declared = manifest.document()
        if await self.ensure(document):
            return Applied.CREATED
        existing = await self.get(kind, manifest.metadata.name, manifest.namespace)
        if declaration(self.readable(existing)) == declaration(declared):
            return Applied.UNCHANGED
        await self.replace(declared, ReplaceRequest(manifest=declared, by=by))
        return Applied.CONFIGURED

    async def ensure(self, document: Mapping[str, Any]) -> bool:
        """Create an object unless there is one of its name, whatever that is like; return whether it was created."""
        try:
            await self.create(document)
        except Problem as problem:
            if problem.reason != "AlreadyExists":
                raise
            return False
        return True

    async def create(self, document: Mapping[str, Any]) -> None:
        """Create the object a manifest declares, and return when lists show it.

        Raises InvalidManifestError, or Problem.terminal `AlreadyExists`.
        """
        kind, manifest = kind_of(document), parse(document)
        declared, object_id = self._keyring.seal(manifest.document()), id_of(manifest)
        check_size(declared)
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
            raise Problem.terminal("AlreadyExists", "is there already", field=object_id) from error
        async with asyncio.timeout(LISTED_WITHIN):
            await until(lambda: self._listed(object_id), every=0.05)

    async def replace(self, document: Mapping[str, Any], request: ReplaceRequest) -> ReplaceAnswer:
        """Declare an object anew and return when that is accepted, not when it is met.

        Raises as `operate` does; Problem.terminal `InvalidManifest` names every field that is kept for life.
        """
        kind, manifest = kind_of(document), parse(document)
        if not kind.editable:
            raise not_edited(kind, id_of(manifest))
        before = await self.get(kind, manifest.metadata.name, manifest.namespace) if kind.kind == "Secret" else None
        declared = self._keyring.seal(manifest.document(), before)
        check_size(declared)
        edit = request.model_copy(update={"manifest": declared})
        return await self._ask(id_of(manifest), Update.REPLACE, edit, ReplaceAnswer)

    def readable(self, document: Document) -> Document:
        """Return what `opened` does; a Secret that cannot be opened stays sealed, and the others are shown."""
        try:
            return self.opened(document)
        except Problem:
            return document

    def opened(self, document: Document) -> Document:
        """Return a Secret as people wrote it, and anything else as it is; raises as `Keyring.open` does."""
        return self._keyring.open(document)

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Document:
        """Return one object; Problem.terminal `NotFound` when there is none. Strongly consistent."""
        return await self.current(await self.describe(kind, name, namespace))

    async def describe(self, kind: Kind, name: str, namespace: str = "") -> WorkflowExecutionDescription:
        """Return what the server knows of an object's workflow, its pending activities included."""
        object_id = workflow_id(kind.kind, name, namespace if kind.namespaced else "")
        description = await living(self._client, object_id)
        if description is None:
            raise _not_found(kind, name)
        return description

    async def list(self, kind: Kind, namespace: str = "") -> list[Document]:
        """Return all objects of a kind, of one namespace or of all, by namespace and name. Eventually consistent."""
        documents = [await self.document(listed) async for listed in self.executions(kind, namespace)]
        return sorted(documents, key=lambda each: (each["metadata"].get("namespace", ""), each["metadata"]["name"]))

    async def executions(self, kind: Kind, namespace: str = "") -> AsyncIterator[ListedExecution]:
        """Yield the workflows that live the objects of a kind, of one namespace or of all, in no order."""
        query = f"{SearchAttribute.KIND} = '{kind.kind}'"
        if namespace and kind.namespaced:
            _check_namespace(namespace)
            query += f" AND {SearchAttribute.NAMESPACE} = '{namespace}'"
        async for execution in open_workflows(self._client, query, page_size=kind.page):
            if execution.id.partition("/")[0] == kind.kind:  # anybody may start a workflow and say what it is
                yield execution

    async def current(self, description: WorkflowExecutionDescription) -> Document:
        """Return an object as it is by now: one that was asked to go says so, though no worker has heard of it yet."""
        document = await self.document(description)
        waits = description.raw_description.HasField("pending_workflow_task")
        if not waits or "deletionTimestamp" in document["metadata"]:
            return document
        asked = await self._asked_to_go(description)
        return {**document, "metadata": {**document["metadata"], **asked}}

    async def document(self, execution: ListedExecution) -> Document:
        """Return the published object; before its workflow's first task, the manifest it was started with.

        Such a manifest is given the metadata that its workflow is going to publish.
        """
        document = await memo(self._client, execution)
        return _whole(document if document is not None else await self._input(execution), execution)

    async def delete(self, kind: Kind, name: str, namespace: str = "", request: DeleteRequest = GO) -> None:
        """Ask an object to go. It is gone when `get` says so.

        Raises Problem.terminal `NotFound` when there is none, `Forbidden` for one that is never deleted.
        """
        check_lasting(kind, name)
        description = await self.describe(kind, name, namespace)
        try:
            await self._client.get_workflow_handle(description.id).signal(Signal.DELETE, request)
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
        return await self._ask(description.id, update, request, PowerAnswer)

    async def discard(self, hypervisor: str, request: DiscardRequest) -> DiscardAnswer:
        """Give up an orphan of a hypervisor and return when that is accepted, not when it is gone; raises as `operate`.

        Problem.terminal `NotAnOrphan` when none of that UID was reported.
        """
        description = await self.describe(kind_called("hypervisors"), hypervisor)
        return await self._ask(description.id, Update.DISCARD, request, DiscardAnswer)

    @property
    def client(self) -> Client:
        """The Temporal client, for what is not about one object."""
        return self._client

    async def _ask(
        self, object_id: str, update: Update, request: PowerRequest | ReplaceRequest | DiscardRequest, answer: type[_T]
    ) -> _T:
        """Send an update; the request's id is the update's own as well, so that the server knows a repetition, too."""
        handle = self._client.get_workflow_handle(object_id)
        within = await self._patience(kind_called(object_id.partition("/")[0]))
        try:
            async with asyncio.timeout(within.total_seconds()):  # the SDK's own is for one of the calls it makes
                answered: _T = await handle.execute_update(
                    update,
                    request,
                    id=request.request or None,
                    result_type=answer,
                    rpc_timeout=within,
                )
        except WorkflowUpdateFailedError as error:
            refused = error.cause
            if not isinstance(refused, ApplicationError):
                raise
            raise _refusal(refused, object_id) from error
        except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError) as error:
            same = f" with request id {request.request}" if request.request else ""
            raise Problem.retry(
                "Unavailable",
                f"no worker accepted the {update} within {within.seconds} s, and the next one may still do so; "
                f"start one (vmflow up), then repeat it{same}",
                field=object_id,
            ) from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:  # its life has ended since
                raise Problem.terminal("NotFound", "is gone", field=object_id) from error
            if error.status is RPCStatusCode.FAILED_PRECONDITION:  # its last workflow task failed, and is tried again
                raise Problem.retry(
                    "Unavailable", f"is not ready ({error.message}); try again", field=object_id
                ) from error
            raise
        return answered

    async def _patience(self, kind: Kind) -> timedelta:
        """Return how long to wait for a worker's answer: not long where none is known to be."""
        missing = await abandoned(self._client, kind.queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)
        return min(ANSWER_WITHIN, A_MOMENT) if missing else ANSWER_WITHIN

    async def _asked_to_go(self, execution: ListedExecution) -> dict[str, str]:
        """Return the metadata of an object whose deletion waits for a worker; empty when there is none."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=execution.id, run_id=execution.run_id),
            maximum_page_size=_LATELY,
        )
        answer = await self._client.workflow_service.get_workflow_execution_history_reverse(request)
        asked = ""
        for event in answer.history.events:
            if event.HasField("workflow_task_completed_event_attributes"):
                break
            if event.workflow_execution_signaled_event_attributes.signal_name == Signal.DELETE:
                asked = timestamp(event.event_time.ToDatetime(UTC))
        return {"deletionTimestamp": asked} if asked else {}

    async def _listed(self, object_id: str) -> bool:
        count = await self._client.count_workflows(f"WorkflowId = '{object_id}' AND ExecutionStatus = 'Running'")
        return count.count > 0

    async def _input(self, execution: ListedExecution) -> object:
        response = await self._client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=execution.id, run_id=execution.run_id),
                maximum_page_size=1,
            ),
        )
        payloads = response.history.events[0].workflow_execution_started_event_attributes.input.payloads
        decoded = await said(self._client.data_converter, payloads[:1])
        return decoded[0] if decoded else None


def _whole(document: object, execution: ListedExecution) -> Document:
    """Return an object with the metadata that the server adds, and its name, whatever a client sent for a manifest."""
    sent: Document = {**document} if isinstance(document, Mapping) else {}
    metadata = sent.get("metadata")
    if not isinstance(metadata, Mapping):
        metadata = {}
    if _published(metadata):
        return sent
    kind, _, path = execution.id.partition("/")
    namespace, _, name = path.rpartition("/")
    added = {
        "uid": execution.run_id,
        "creationTimestamp": timestamp(execution.start_time),
        "resourceVersion": str(version_at(execution.start_time)),
    }
    written = {key: value for key, value in metadata.items() if _fits(key, value)}
    place = {"namespace": namespace} if namespace else {}
    parts = {key: value for key, value in sent.items() if key not in _OBJECTS or isinstance(value, Mapping)}
    called = {"apiVersion": kind_called(kind).api_version, "kind": kind}
    return {**parts, **called, "metadata": {**written, "name": name, **place, **added}}


_OBJECTS = {"spec", "status", "data"}
_TEXTS = {"labels", "annotations"}


def _published(metadata: Mapping[str, Any]) -> bool:
    """Return whether an object was published by its workflow; what a client put there has no version of ours."""
    version = metadata.get("resourceVersion")
    return isinstance(version, str) and version.isdecimal() and len(version) <= len(str(2**63)) and "uid" in metadata


def _fits(name: str, value: object) -> bool:
    """Return whether everybody who reads metadata can read a part of it that nobody has checked yet."""
    return name not in _TEXTS or (isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values()))


def _refusal(refused: ApplicationError, object_id: str) -> Problem:
    """Return why a workflow refuses an update; of a manifest, every field that is at fault."""
    if refused.type == "InvalidManifest" and refused.details:
        return InvalidManifestError(((field, message) for field, message in refused.details[0]), field=object_id)
    return Problem.terminal(refused.type or "Refused", refused.message, field=object_id)


def check_lasting(kind: Kind, name: str) -> None:
    """Raise Problem.terminal `Forbidden` for an object that is never deleted."""
    if name in kind.lasting:
        raise Problem.terminal("Forbidden", f"the {kind.singular} {name!r} is never deleted", field=name)


def not_edited(kind: Kind, object_id: str) -> Problem:
    """Return why an object that is there is not declared otherwise."""
    return Problem.terminal(
        "Conflict",
        f"is there already, declared otherwise, and a {kind.kind} is not edited; delete it, then apply again",
        field=object_id,
    )


def without_book(document: Mapping[str, Any]) -> Document:
    """Return an object without who set which field: that is the gateway's own book."""
    metadata = {name: value for name, value in document["metadata"].items() if name != "managedFields"}
    return {**document, "metadata": metadata}


def declaration(document: Mapping[str, Any]) -> Document:
    """Return what people declare of an object, as this version writes it: older ones may have left defaults out."""
    written: Document = {name: value for name, value in document.items() if name != "status"}
    try:
        return parse(written).document()
    except InvalidManifestError:
        return written


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
