"""Clearing a namespace: everything in it is asked to go. Each object then goes as it does alone."""

from collections import Counter

from temporalio import activity
from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey

from activities import neighbours
from activities.heartbeats import pulsing
from manifests.contract import DeleteRequest, SearchAttribute, Signal
from manifests.registry import KINDS
from runtime.listing import open_workflows

_NAMESPACED = {kind.kind for kind in KINDS if kind.namespaced}
_PAGE = min(kind.page for kind in KINDS if kind.namespaced)
"""Objects listed at once: each may bring the largest document of its kind along."""

_STATUS = SearchAttributeKey.for_keyword(SearchAttribute.STATUS)


class Clearing:
    """Clearing over one Temporal client. It may be done twice: a deletion that was asked for stays asked for."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn
    async def clear(self, namespace: str) -> dict[str, int]:
        """Ask every object in a namespace to go; return how many of each kind there are still."""
        query = f"{SearchAttribute.NAMESPACE} = '{namespace}'"
        left: Counter[str] = Counter()
        async with pulsing():
            async for listed in open_workflows(self._client, query, page_size=_PAGE):
                kind = listed.id.partition("/")[0]
                if kind in _NAMESPACED and (_goes(listed) or await self._ask(listed.id, namespace)):
                    left[kind] += 1
            return dict(left)

    async def _ask(self, object_id: str, namespace: str) -> bool:
        request = DeleteRequest(by=f"Namespace/{namespace}")
        return await neighbours.signal(self._client, object_id, Signal.DELETE, request)


def _goes(listed: WorkflowExecution) -> bool:
    """Return whether an object says that it is being deleted: asking again would only lengthen its history."""
    return listed.typed_search_attributes.get(_STATUS) == "Terminating"
