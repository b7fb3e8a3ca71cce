"""The objects behind the gateway: reads from what pollers know, writes to the workflows that live them.

Temporal is the only store, and a workflow is the point where writes to its object are put in a row. After every write
the object is looked at once more, so that whoever reads next through this gateway sees it.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from uuid import uuid4

from api.cache import Document, Key
from api.event_models import CORE_EVENT, GROUP_EVENT
from api.events import Book, Events, core_event, group_event
from api.refusals import not_found
from api.resources import Resource, resource_of
from api.sources import Workflows
from api.watching import Poller
from manifests.contract import DeleteRequest, PowerAnswer, PowerRequest, ReplaceRequest, Update, WorkflowType
from manifests.registry import KINDS, Kind
from runtime.objects import Objects
from runtime.wait import until

PUBLISHED_WITHIN = 0.5
"""Seconds a create waits for the object's workflow to take it up, and a delete for one without a life to be gone.

Whoever creates and then updates is not to be told of a conflict with nobody. Without workers nobody waits longer.
"""


class Place(Enum):
    """How a namespace stands for who wants to create something in it."""

    OPEN = auto()
    ENDING = auto()
    MISSING = auto()


@dataclass(frozen=True)
class Served:
    """A resource and what is known of it. kind: its row in the registry; None for what is computed."""

    resource: Resource
    poller: Poller
    kind: Kind | None = None


class Store:
    """Every resource the gateway serves."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._served = {
            (kind.api_version, kind.plural): Served(resource_of(kind), Poller(Workflows(objects, kind)), kind)
            for kind in KINDS
        }
        book = Book(objects, self.of("VirtualServer").poller)
        for resource, write in ((CORE_EVENT, core_event), (GROUP_EVENT, group_event)):
            self._served[resource.api_version, resource.plural] = Served(resource, Poller(Events(book, write)))

    @property
    def served(self) -> Iterable[Served]:
        """Everything that is served."""
        return self._served.values()

    def at(self, api_version: str, plural: str) -> Served | None:
        """Return what is served under a path."""
        return self._served.get((api_version, plural))

    def of(self, kind: str) -> Served:
        """Return what serves a kind of the registry."""
        return next(each for each in self.served if each.kind and each.kind.kind == kind)

    async def get(self, served: Served, key: Key) -> Document:
        """Return one object as it is now; Refusal 404 when there is none, a Problem for a Secret nobody can open."""
        return self.objects.opened(await self.present(served, key))

    async def present(self, served: Served, key: Key) -> Document:
        """Return one object as it is now, a Secret nobody can open sealed; Refusal 404 when there is none."""
        document = await served.poller.look(key)
        if document is None:
            raise not_found(served.resource, key.name)
        return document

    async def look(self, served: Served, key: Key) -> Document | None:
        """Return one object as it is now; None when there is none."""
        return await served.poller.look(key)

    async def create(self, served: Served, key: Key, document: Document) -> Document:
        """Create an object and return it as it is from now on; Problem `AlreadyExists` when there is one."""
        await self.objects.create(document)
        served.poller.stir()
        with suppress(TimeoutError):
            async with asyncio.timeout(PUBLISHED_WITHIN):
                await until(lambda: self._published(served, key), every=0.02)
        return await self.get(served, key)

    async def replace(  # noqa: PLR0913 - each is one thing a write says
        self, served: Served, key: Key, document: Document, *, version: str, by: str, request: str
    ) -> Document:
        """Declare an object anew and return it as it is from now on.

        version: that the object must still have; request: id of the request, the same id twice is one.
        """
        asked = ReplaceRequest(manifest=document, request=request or str(uuid4()), by=by, resource_version=version)
        await self.objects.replace(document, asked)
        served.poller.stir()
        return await self.get(served, key)

    async def delete(self, served: Served, key: Key, request: DeleteRequest) -> Document | None:
        """Ask an object to go; return what is left of it, None when it is gone already."""
        if served.kind is None:
            raise not_found(served.resource, key.name)
        before = await served.poller.look(key)
        await self.objects.delete(served.kind, key.name, key.namespace, request)
        served.poller.stir()
        if served.kind.workflow is WorkflowType.DECLARATION:
            with suppress(TimeoutError):
                async with asyncio.timeout(PUBLISHED_WITHIN):
                    await until(lambda: self._gone(served, key, before), every=0.02)
        return await served.poller.look(key)

    async def operate(self, served: Served, key: Key, update: Update, request: PowerRequest) -> PowerAnswer:
        """Ask a VM for an operation."""
        answer = await self.objects.operate(update, request, key.name, key.namespace)
        served.poller.stir()
        return answer

    async def place(self, namespace: str) -> Place:
        """Tell whether objects may be created in a namespace."""
        spaces = self.of("Namespace")
        kept = spaces.kind.lasting if spaces.kind else ()
        found = await spaces.poller.look(Key("", namespace))
        if found is None:
            return Place.OPEN if namespace in kept else Place.MISSING
        return Place.ENDING if "deletionTimestamp" in found["metadata"] else Place.OPEN

    def stop(self) -> None:
        """End watches."""
        for each in self.served:
            each.poller.stop()

    async def _gone(self, served: Served, key: Key, before: Document | None) -> bool:
        """Tell whether an object is not there any more, whatever is there in its place."""
        found = await served.poller.peek(key)
        return found is None or before is None or found["metadata"]["uid"] != before["metadata"]["uid"]

    async def _published(self, served: Served, key: Key) -> bool:
        """Tell whether an object's workflow has said anything of it yet: its generation comes with the first word."""
        found = await served.poller.peek(key)
        return found is None or "generation" in found["metadata"]

    async def close(self) -> None:
        """End what runs in the background."""
        for each in self.served:
            await each.poller.close()
