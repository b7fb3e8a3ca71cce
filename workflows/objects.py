"""What every object's workflow does with its object: accept it or refuse it, and publish it."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from manifests.base import InvalidManifestError, Manifest
from manifests.contract import OBJECT_MEMO, SearchAttribute
from manifests.registry import id_of, kind_called, parse
from manifests.status import refused_status

Sent = Any
"""What a workflow was started with: a manifest (a JSON object), or whatever else a Temporal client sent for one."""

_NAMES = {"name", "namespace"}

_M = TypeVar("_M", bound=Manifest)

_KEYS = {each: SearchAttributeKey.for_keyword(each.value) for each in SearchAttribute}


class Publisher:
    """Keeps memo and search attributes in step with the object; unchanged ones cost nothing.

    What a starter already put into the memo is not published again.
    """

    def __init__(self, manifest: Sent) -> None:
        self._manifest: dict[str, Any] = dict(manifest) if isinstance(manifest, Mapping) else {}
        self._document: Sent = workflow.memo_value(OBJECT_MEMO, default=None)
        known = workflow.info().typed_search_attributes
        self._attributes = {name: known.get(key) or "" for name, key in _KEYS.items()}

    def publish(self, status: dict[str, Any], attributes: dict[SearchAttribute, str], **metadata: str) -> None:
        """Publish the manifest with this status; `metadata` is what the server adds (uid, creationTimestamp, ...)."""
        added = {name: value for name, value in metadata.items() if value}
        document = {**self._manifest, "metadata": {**self._manifest.get("metadata", {}), **added}, "status": status}
        if document != self._document:
            workflow.upsert_memo({OBJECT_MEMO: document})
            self._document = document
        updates: list[SearchAttributeUpdate[str]] = [
            _KEYS[name].value_set(value)
            for name, value in attributes.items()
            if self._attributes.get(name, "") != value
        ]
        if updates:
            workflow.upsert_search_attributes(updates)
            self._attributes |= attributes

    def continue_as_new(self, *arguments: object) -> NoReturn:
        """Start the history anew; by itself, Temporal would take the object back to what its starter put there."""
        workflow.continue_as_new(
            args=arguments,
            memo={OBJECT_MEMO: self._document},
            search_attributes=workflow.info().typed_search_attributes,
        )

    def publish_refusal(self, kind: str, problem: InvalidManifestError) -> None:
        """Publish an object whose manifest cannot be accepted, under the name its workflow's id gives it."""
        namespace, _, name = workflow.info().workflow_id.partition("/")[2].rpartition("/")
        name = name or workflow.info().workflow_id
        written = self._manifest.get("metadata")
        kept = {key: value for key, value in written.items() if key not in _NAMES} if isinstance(written, dict) else {}
        self._manifest |= {"apiVersion": kind_called(kind).api_version, "kind": kind, "metadata": kept}
        self.publish(
            refused_status(problem, workflow.now()),
            {SearchAttribute.KIND: kind, SearchAttribute.NAMESPACE: namespace, SearchAttribute.NAME: name},
            uid=uid(),
            name=name,
            namespace=namespace,
        )


async def refused(publisher: Publisher, kind: str, problem: InvalidManifestError, deleted: Callable[[], bool]) -> str:
    """Show what is wrong with a manifest until somebody deletes the object; touch nothing."""
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
    if not isinstance(manifest, model):
        raise InvalidManifestError([("kind", f"{manifest.kind} is not lived by {workflow.info().workflow_type}")])
    if id_of(manifest) != workflow.info().workflow_id:
        raise InvalidManifestError([("metadata.name", f"the workflow's id must be {id_of(manifest)}")])
    return manifest
