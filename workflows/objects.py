"""What every object's workflow does with its object: accept it or refuse it, and publish it."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from manifests.base import SERVER_MADE, InvalidManifestError, Manifest
from manifests.contract import OBJECT_MEMO, SearchAttribute, version_at
from manifests.registry import check_size, id_of, kind_called, kind_of, parse
from manifests.status import refused_status, timestamp

Sent = Any
"""What a workflow was started with: a manifest (a JSON object), or whatever else a Temporal client sent for one."""

_NAMES = {"name", "namespace"}

_M = TypeVar("_M", bound=Manifest)

_KEYS = {each: SearchAttributeKey.for_keyword(each.value) for each in SearchAttribute}


class Publisher:
    """Keeps memo and search attributes in step with the object; unchanged ones cost nothing.

    It adds what the server adds to every object's metadata: UID, time of creation, and the version: a number that rises
    with every change of what is published, close to the microseconds since 1970 at which it was.
    """

    def __init__(self, manifest: Sent) -> None:
        self._manifest: dict[str, Any] = dict(manifest) if isinstance(manifest, Mapping) else {}
        self._status: dict[str, Any] = {}
        self._shown: dict[str, Any] = {}
        info = workflow.info()
        self._version = version_at(info.workflow_start_time)
        self._current = {self.version}
        self._added: dict[str, str | int] = {"uid": uid(), "creationTimestamp": timestamp(info.workflow_start_time)}
        if info.continued_run_id:
            self._resume(workflow.memo_value(OBJECT_MEMO, default={}))
        known = info.typed_search_attributes
        self._attributes = {name: known.get(key) or "" for name, key in _KEYS.items()}

    @property
    def version(self) -> str:
        """The version of the object as it is published; before that, of its start."""
        return str(self._version)

    def changed_since(self, version: str) -> bool:
        """Return whether the object is not any more what somebody saw; an empty version saw nothing.

        Before the first publishing, an object is seen as it was started, at the version of its start: the first
        publishing only completes it, so who edits what they have just created is not refused.
        """
        return version not in {"", *self._current}

    def doom(self) -> None:
        """Note that the object's deletion was asked for, and when that was first; the next publishing shows it."""
        self._added.setdefault("deletionTimestamp", timestamp(workflow.now()))

    def declare(self, manifest: Mapping[str, Any], **metadata: str | int) -> None:
        """Publish another manifest, at once: who edits an object reads it back as it was edited."""
        self._manifest = dict(manifest)
        self._added |= metadata
        self._show()

    def publish(self, status: dict[str, Any], attributes: dict[SearchAttribute, str], **metadata: str | int) -> None:
        """Publish the manifest with this status; `metadata` is what the server adds for this kind (generation, ...)."""
        self._status = status
        self._added |= metadata
        self._show()
        updates: list[SearchAttributeUpdate[str]] = [
            _KEYS[name].value_set(value)
            for name, value in attributes.items()
            if self._attributes.get(name, "") != value
        ]
        if updates:
            workflow.upsert_search_attributes(updates)
            self._attributes |= attributes

    def _show(self) -> None:
        """Put the object into the memo when it is not what is there."""
        written = self._manifest.get("metadata", {})
        metadata = {name: value for name, value in written.items() if name not in SERVER_MADE}
        metadata |= {name: value for name, value in self._added.items() if value}
        declared = {name: value for name, value in self._manifest.items() if name != "status"}
        status = {"status": self._status} if self._status else {}
        document = {**declared, "metadata": metadata, **status}
        if document != self._shown:
            self._version = max(self._version + 1, version_at(workflow.now()))
            self._current = {self.version, *(() if self._shown else self._current)}
            workflow.upsert_memo({OBJECT_MEMO: _versioned(document, self.version)})
            self._shown = document

    def _resume(self, document: dict[str, Any]) -> None:
        """Go on where the history before this one ended."""
        metadata = {**document.get("metadata", {})}
        self._version = int(metadata.pop("resourceVersion", self._version))
        self._current = {self.version}
        self._added |= {name: metadata[name] for name in ("creationTimestamp", "deletionTimestamp") if name in metadata}
        self._status = document.get("status", {})
        self._shown = {**document, "metadata": metadata}

    def continue_as_new(self, *arguments: object) -> NoReturn:
        """Start the history anew; by itself, Temporal would take the object back to what its starter put there."""
        self._show()
        workflow.continue_as_new(
            args=arguments,
            memo={OBJECT_MEMO: _versioned(self._shown, self.version)},
            search_attributes=workflow.info().typed_search_attributes,
        )

    def publish_refusal(self, kind: str, problem: InvalidManifestError) -> None:
        """Publish an object whose manifest cannot be accepted, under the name its workflow's id gives it."""
        namespace, _, name = workflow.info().workflow_id.partition("/")[2].rpartition("/")
        name = name or workflow.info().workflow_id
        row = kind_called(kind)
        hidden = row.model.SECRET_FIELDS
        written = self._manifest.get("metadata")
        unfit = _NAMES | {"annotations"} if hidden else _NAMES
        kept = {key: value for key, value in written.items() if key not in unfit} if isinstance(written, dict) else {}
        self._manifest = {key: value for key, value in self._manifest.items() if key not in hidden}
        self._manifest |= {"apiVersion": row.api_version, "kind": kind, "metadata": kept}
        self.publish(
            refused_status(problem, workflow.now(), row.model.ALWAYS_SAYS),
            {SearchAttribute.KIND: kind, SearchAttribute.NAMESPACE: namespace, SearchAttribute.NAME: name},
            name=name,
            namespace=namespace,
        )


async def lived(life: Coroutine[Any, Any, str], delete: Callable[[], None]) -> str:
    """Live a life to its end, whatever it waits for: cancelling its workflow is asking for the object's deletion."""
    living = asyncio.create_task(life)
    while not living.done():
        try:
            await workflow.wait([living])
        except asyncio.CancelledError:
            delete()
    return living.result()


class CannotGoOnError(RuntimeError):
    """What an object takes along cannot be read by this version. It fails the workflow task, never the workflow.

    The task is tried again until a version that can read it serves the queue; nothing of the object is lost meanwhile.
    """


async def refused(publisher: Publisher, kind: str, problem: InvalidManifestError, deleted: Callable[[], bool]) -> str:
    """Show what is wrong with a manifest until somebody deletes the object; touch nothing.

    A refused object has nothing, so its deletion gives nothing back. One that goes on from an earlier history may have:
    it raises CannotGoOnError.
    """
    if workflow.info().continued_run_id:
        raise CannotGoOnError(f"this version cannot read what it goes on from: {problem}") from problem
    publisher.publish_refusal(kind, problem)
    workflow.set_current_details(f"**refused**: {problem}")
    await workflow.wait_condition(deleted)
    return "deleted; its manifest was never accepted"


def uid() -> str:
    """Return the object's UID: the id of the first run of its workflow, which continue-as-new keeps."""
    return workflow.info().first_execution_run_id


def accepted(model: type[_M], document: Sent) -> _M:
    """Return the manifest a workflow was started with; InvalidManifestError when this workflow cannot live it.

    A workflow started by any Temporal client gets what that client wrote: it is checked as the gateway would, and so is
    the workflow's id, by which everybody finds the object.
    """
    if not isinstance(document, Mapping):
        raise InvalidManifestError([("", "a manifest is an object with apiVersion, kind, metadata and spec")])
    manifest = parse(document)
    if not isinstance(manifest, model) or kind_of(document).workflow != workflow.info().workflow_type:
        raise InvalidManifestError([("kind", f"{manifest.kind} is not lived by {workflow.info().workflow_type}")])
    if id_of(manifest) != workflow.info().workflow_id:
        raise InvalidManifestError([("metadata.name", f"the workflow's id must be {id_of(manifest)}")])
    manifest.check_at_rest()
    check_size(document)
    return manifest


def _versioned(document: dict[str, Any], version: str) -> dict[str, Any]:
    return {**document, "metadata": {**document["metadata"], "resourceVersion": version}}
