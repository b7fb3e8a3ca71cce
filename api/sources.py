"""Where a cache's objects come from: one listing of a scope, and one look at an object.

A listing tells of every object only what shows whether it has changed; reading the changed ones is the caller's choice.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple, Protocol

from temporalio.client import WorkflowExecution

from api.cache import Document, Fed, Key, Row, Scope
from domain.problem import Problem
from manifests.contract import OBJECT_MEMO
from manifests.registry import Kind
from runtime.objects import Objects


class Listed(NamedTuple):
    """One object of a listing, and what reads it."""

    row: Row
    read: Callable[[], Awaitable[Fed]]


class Source(Protocol):
    """Where the objects of one kind are."""

    def listing(self, scope: Scope) -> AsyncIterator[Listed]:
        """Yield the objects of a scope."""
        ...

    async def look(self, key: Key) -> Fed | None:
        """Return one object, strongly consistent; None when there is none."""
        ...


class Workflows:
    """The objects of a kind are the open workflows that live them."""

    def __init__(self, objects: Objects, kind: Kind) -> None:
        self._objects = objects
        self._kind = kind

    async def listing(self, scope: Scope) -> AsyncIterator[Listed]:
        """Yield what visibility lists; eventually consistent."""
        async for execution in self._objects.executions(self._kind, scope.namespace or ""):
            yield self._listed(execution)

    async def look(self, key: Key) -> Fed | None:
        """Describe one workflow."""
        try:
            description = await self._objects.describe(self._kind, key.name, key.namespace)
        except Problem as problem:
            if problem.reason != "NotFound":
                raise
            return None
        return self._fed(_row(description), await self._objects.current(description))

    def _listed(self, execution: WorkflowExecution) -> Listed:
        row = _row(execution)

        async def read() -> Fed:
            return self._fed(row, await self._objects.document(execution))

        return Listed(row, read)

    def _fed(self, row: Row, document: Document) -> Fed:
        metadata = document["metadata"]
        return Fed(row, metadata["uid"], int(metadata["resourceVersion"]), self._objects.readable(document))


def _row(execution: WorkflowExecution) -> Row:
    memo = execution.raw_info.memo.fields
    seal = memo[OBJECT_MEMO].data if OBJECT_MEMO in memo else b""
    return Row(key_of(execution.id), execution.run_id, seal)


def key_of(workflow_id: str) -> Key:
    """Return which object a workflow lives: `<Kind>/<namespace>/<name>` or `<Kind>/<name>`."""
    namespace, _, name = workflow_id.partition("/")[2].rpartition("/")
    return Key(namespace, name)
