"""The life of what has none of its own (a ConfigMap, a Secret, a StorageClass, …): declared, edited, deleted.

All such kinds share this workflow. It costs the events of one workflow task to create, and of one more for each edit.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.model import Value
    from domain.requests import REMEMBERED_REQUESTS, Request
    from manifests.base import InvalidManifestError, Manifest
    from manifests.contract import ReplaceAnswer, SearchAttribute, Signal, WorkflowType
    from manifests.registry import KINDS, kind_called, size_of
    from workflows.edits import Edited, busy, conflict, outdated, refusal
    from workflows.objects import Publisher, Sent, accepted, lived, refused


TERMINATING = "Terminating"
"""What an object is that is being deleted, in Kubernetes' word."""


SMALL = 640 * 1024
"""Bytes of edits that a workflow task carries beside continuing as new. It has each edit twice, as the request and as
the memo, and the next run's input and memo; and at most 4 MiB in all."""

A_MOMENT = timedelta(seconds=1)
"""After what time a declaration with a long history is in another workflow task than its last edit."""


class Carried(Value):
    """What a declaration takes along when it continues as new.

    generation: counts what it was declared to be.
    requests:   ids of the last edits, so that a repeated one is recognised.
    deleting:   its deletion was asked for.
    """

    generation: int = 1
    requests: tuple[str, ...] = ()
    deleting: bool = False


class Declared(Edited):
    """An object that is what it is declared to be."""

    def __init__(self, manifest: Sent, carried: Sent) -> None:
        self._publisher = Publisher(manifest)
        self._problem: InvalidManifestError | None = None
        self._stirred = False
        self._state = Carried()
        self._edits = (0, 0)
        self._renewing = False
        try:
            self._declared = accepted(Manifest, manifest)
            self._publisher = Publisher(self._declared.document())
            self._state = _resumed(carried)
        except InvalidManifestError as problem:
            self._problem = problem

    @workflow.signal(name=Signal.DELETE)
    def delete(self, _reason: Any = None) -> None:  # noqa: ANN401 - whatever a client sends along, it is a delete
        """Delete the object. Accepted with every worker down; nothing takes it back."""
        if self._lasts():
            workflow.logger.warning("this object is never deleted")
            return
        self._publisher.doom()
        self._state = self._state.model_copy(update={"deleting": True})
        self._stirred = True

    async def _live(self) -> str:
        """Be what is declared until it is to go."""
        if self._problem:
            return await self._refused(self._problem)
        while not self._state.deleting:
            self._publish()
            await self._rest()
        return await self._leave()

    async def _leave(self) -> str:
        """Do what the object's end takes; return a sentence for the Temporal UI."""
        return "deleted"

    def _lasts(self) -> bool:
        """Return whether this object is never deleted."""
        return self._problem is None and self._declared.metadata.name in kind_called(self._declared.kind).lasting

    async def _rest(self) -> None:
        """Wait for an edit or the end; for a moment only when this task carried too much for continuing as new."""
        self._renew()
        self._stirred = False
        self._renewing = workflow.info().is_continue_as_new_suggested()
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._stirred, timeout=A_MOMENT if self._renewing else None)

    def _renew(self) -> None:
        """Continue as new when history is long, unless this workflow task carries too much already."""
        if workflow.info().is_continue_as_new_suggested() and self._edits_here() <= SMALL:
            self._publisher.continue_as_new(self._declared.document(), self._state)

    def _edits_here(self) -> int:
        """Return how many bytes of edits this workflow task carries already."""
        task, size = self._edits
        return size if task == workflow.info().get_current_history_length() else 0

    async def _refused(self, problem: InvalidManifestError) -> str:
        """Show what is wrong until the object is deleted. A workflow that has the id of no object cannot show one."""
        kind = workflow.info().workflow_id.partition("/")[0]
        if kind not in {row.kind for row in KINDS if row.workflow == workflow.info().workflow_type}:
            return f"refused: {problem}"
        return await refused(self._publisher, kind, problem, lambda: self._state.deleting)

    def _admit_edit(self, manifest: Sent, request: Request, version: str) -> None:
        if self._problem:
            raise refusal(self._problem)
        if request.id in self._state.requests:
            return
        if self._state.deleting:
            raise conflict("the edit is too late: the object is being deleted")
        if self._publisher.changed_since(version):
            raise outdated()
        try:
            accepted(type(self._declared), manifest).check_edit(self._declared)
        except InvalidManifestError as problem:
            raise refusal(problem) from problem
        size, limit = size_of(manifest), kind_called(self._declared.kind).limit
        if self._edits_here() + size > limit or (self._renewing and size > SMALL):
            raise busy("other edits of this object are being stored; please try again")

    def _edit(self, manifest: Sent, request: Request) -> ReplaceAnswer:
        state = self._state
        if request.id not in state.requests:
            before, self._declared = self._declared, accepted(type(self._declared), manifest)
            changed = self._declared.content() != before.content()
            self._state = Carried(
                generation=state.generation + changed,
                requests=(*state.requests, request.id)[-REMEMBERED_REQUESTS:],
            )
            self._edits = (workflow.info().get_current_history_length(), self._edits_here() + size_of(manifest))
            self._publisher.declare(self._declared.document(), generation=self._state.generation)
            self._publish()
            self._stirred = True
        return ReplaceAnswer(generation=self._state.generation, resource_version=self._publisher.version)

    def _publish(self) -> None:
        self._publisher.publish(
            self._standing(),
            {
                SearchAttribute.KIND: self._declared.kind,
                SearchAttribute.NAMESPACE: self._declared.namespace,
                SearchAttribute.NAME: self._declared.metadata.name,
                **({SearchAttribute.STATUS: TERMINATING} if self._state.deleting else {}),
            },
            generation=self._state.generation,
        )

    def _standing(self) -> dict[str, Any]:
        """Return the object's status."""
        return self._declared.standing()


@workflow.defn(name=WorkflowType.DECLARATION)
class Declaration(Declared):
    """An object without a life. Input: its manifest, as people write it; `carried` is for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: Sent = None, carried: Sent = None) -> None:
        super().__init__(manifest, carried)

    @workflow.run
    async def run(self, manifest: Sent = None, carried: Sent = None) -> str:
        """Live until deleted; returns a sentence for the Temporal UI."""
        del manifest, carried
        return await lived(self._live(), self.delete)


def _resumed(carried: Sent) -> Carried:
    """Return what goes on after continue-as-new, or a beginning."""
    if carried is None:
        return Carried()
    try:
        return Carried.model_validate(carried)
    except ValidationError as error:
        raise InvalidManifestError([("", "a declaration is started with its manifest alone")]) from error
