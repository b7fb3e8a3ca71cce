"""Events: a VM's story as Kubernetes' kind Event, computed from the history of its workflow. Nothing is stored.

`kubectl describe` and `kubectl events` show them. Core `v1` and `events.k8s.io/v1` name the same Events; they are there
as long as their VM is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC
from functools import partial
from typing import NamedTuple
from uuid import UUID, uuid5

from api.cache import Document, Fed, Key, Row, Scope
from api.sources import Listed
from api.watching import Poller, clock
from domain.status import PrintableStatus
from manifests.contract import workflow_id
from manifests.registry import kind_called
from manifests.status import timestamp
from runtime.objects import Objects
from runtime.story import REASONS, Line, runs, tell

READ_AT_ONCE = 8
"""Histories that are read at the same time."""

OLD_SECONDS = 30.0
"""How old a story may be whose VM has published nothing since: steps begin and fail without a word of it."""

REPORTER = "vmflow"

_MACHINES = kind_called("virtualservers")

_NAMES = UUID("7c9c2f0a-6f3e-4f0e-8d5e-3a1f6f0c9a11")
"""Namespace of the Events' UIDs: a line of a story is the same Event whoever computes it."""

_TROUBLED = {PrintableStatus.CRASH_LOOP_BACK_OFF, PrintableStatus.FAILED_UNSCHEDULABLE, PrintableStatus.UNKNOWN}


class Told(NamedTuple):
    """A line of a VM's story, and what it is told of."""

    line: Line
    run: str
    machine: Document

    @property
    def key(self) -> Key:
        """Namespace and name of the Event: the VM's name, and the line's place in its story."""
        metadata = self.machine["metadata"]
        place = f"{int(self.line.at.replace(tzinfo=UTC).timestamp() * 1e6):x}{self.line.event:x}"
        return Key(metadata["namespace"], f"{metadata['name']}.{place}")


class Book:
    """The stories of VMs, read when somebody asks and kept while nothing new is published."""

    def __init__(self, objects: Objects, machines: Poller) -> None:
        self._objects = objects
        self._machines = machines
        self._stories: dict[Key, tuple[Row, float, list[Told]]] = {}
        self._gate = asyncio.Semaphore(READ_AT_ONCE)

    async def stories(self, scope: Scope) -> list[Told]:
        """Return the lines of the stories of a scope's VMs."""
        machines = await self._machines.fresh(Scope(scope.namespace, scope.about if scope.namespace else None))
        wanted = [
            Key(each["metadata"]["namespace"], each["metadata"]["name"])
            for each in machines.documents(Scope(scope.namespace, scope.about))
        ]
        told = await asyncio.gather(*(self._story(key) for key in wanted))
        if scope == Scope():
            self._stories = {key: self._stories[key] for key in wanted if key in self._stories}
        return [line for story in told for line in story]

    async def _story(self, key: Key) -> list[Told]:
        fed = self._machines.cache.entry(key)
        if fed is None:
            return []
        row, read, story = self._stories.get(key, (None, 0.0, []))
        if row != fed.row or clock() - read > OLD_SECONDS:
            async with self._gate:
                story = await self._read(fed)
            self._stories[key] = (fed.row, clock(), story)
        return story

    async def _read(self, fed: Fed) -> list[Told]:
        client = self._objects.client
        lived = await runs(client, workflow_id(_MACHINES.kind, fed.row.key.name, fed.row.key.namespace), fed.row.run)
        return [Told(line, fed.row.run, fed.document) async for line in tell(lived, client.data_converter)]


class Events:
    """The source of one of the two kinds called Event."""

    def __init__(self, book: Book, write: Callable[[Told], Document]) -> None:
        self._book = book
        self._write = write

    async def listing(self, scope: Scope) -> AsyncIterator[Listed]:
        """Yield the Events of a scope."""
        for told in await self._book.stories(scope):
            yield Listed(Row(told.key, _uid(told), b""), partial(self._fed, told))

    async def look(self, key: Key) -> Fed | None:
        """Return one Event."""
        scope = Scope(key.namespace, None, key.name.rpartition(".")[0])
        for told in await self._book.stories(scope):
            if told.key == key:
                return await self._fed(told)
        return None

    async def _fed(self, told: Told) -> Fed:
        document = {**self._write(told), "metadata": _metadata(told)}
        return Fed(Row(told.key, _uid(told), b""), _uid(told), _version(told), document)


def core_event(told: Told) -> Document:
    """Return a line of a story as core `v1` Event."""
    moment, (type_, reason) = timestamp(told.line.at.replace(tzinfo=UTC)), _kind(told.line)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": _reference(told.machine),
        "type": type_,
        "reason": reason,
        "message": told.line.text,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "eventTime": None,
        "count": 1,
        "source": {"component": REPORTER},
        "reportingComponent": REPORTER,
        "reportingInstance": "",
    }


def group_event(told: Told) -> Document:
    """Return a line of a story as `events.k8s.io/v1` Event."""
    moment = told.line.at.replace(tzinfo=UTC)
    type_, reason = _kind(told.line)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "regarding": _reference(told.machine),
        "type": type_,
        "reason": reason,
        "action": reason,
        "note": told.line.text,
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "deprecatedFirstTimestamp": timestamp(moment),
        "deprecatedLastTimestamp": timestamp(moment),
        "deprecatedCount": 1,
        "deprecatedSource": {"component": REPORTER},
        "reportingController": REPORTER,
        "reportingInstance": "",
    }


def _kind(line: Line) -> tuple[str, str]:
    """Return an Event's type and reason: the printable status where the line tells one."""
    if line.kind == "status":
        word = line.text.partition(":")[0]
        known = word in set(PrintableStatus)
        return "Warning" if word in _TROUBLED else "Normal", word if known else "LifeWentOn"
    return "Warning" if line.kind == "trouble" else "Normal", REASONS[line.kind]


def _reference(machine: Document) -> Document:
    metadata = machine["metadata"]
    return {
        "apiVersion": machine["apiVersion"],
        "kind": machine["kind"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata.get("resourceVersion", ""),
    }


def _metadata(told: Told) -> Document:
    return {
        "name": told.key.name,
        "namespace": told.key.namespace,
        "uid": _uid(told),
        "resourceVersion": str(_version(told)),
        "creationTimestamp": timestamp(told.line.at.replace(tzinfo=UTC)),
    }


def _uid(told: Told) -> str:
    return str(uuid5(_NAMES, f"{told.machine['metadata']['uid']}/{told.key.name}"))


def _version(told: Told) -> int:
    return int(told.line.at.replace(tzinfo=UTC).timestamp() * 1_000_000)
