"""What a gateway knows of one kind: its objects, and a log of how they changed. Pure: no clock, no network.

Every change gets a stamp when it arrives: microseconds since 1970 by this gateway's clock, rising, and larger than the
`metadata.resourceVersion` of the object it brings. A list answers with the latest stamp, and a watch from a stamp gets
what arrived after it. A watch from an object's own resourceVersion may see that object once more, and misses nothing.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

Document = dict[str, Any]

LOG_LIMIT = 10_000
"""Changes remembered; a watch from before the oldest is Expired."""

LOG_BYTES = 64 * 1024 * 1024
"""The same in bytes, as the objects are stored: a few large ones weigh as much as many small ones."""

SCOPES_LIMIT = 10_000
"""Scopes of which the first listing is remembered."""

TOMBSTONE_SECONDS = 60.0
"""How long an object that is gone for certain is not believed to be listed again: lists lag behind."""


class Key(NamedTuple):
    """An object of the kind; namespace is empty for kinds that have none."""

    namespace: str
    name: str


class Scope(NamedTuple):
    """A part of the kind: everything, a namespace, one object, or what is about one object and named after it."""

    namespace: str | None = None
    name: str | None = None
    about: str | None = None

    def holds(self, key: Key) -> bool:
        """Tell whether an object is in it."""
        about = key.name.rpartition(".")[0]
        return self.namespace in {None, key.namespace} and self.name in {None, key.name} and self.about in {None, about}

    def within(self, other: "Scope") -> bool:
        """Tell whether all of it is in another scope."""
        pairs = zip(self, other, strict=True)
        return all(theirs in {None, ours} for ours, theirs in pairs)


EVERYTHING = Scope()


class Happened(StrEnum):
    """What a change is, in the words of a watch."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True)
class Change:
    """One arrival.

    before: what was known until then; after: what is known now, of a deleted object its last state; size: its bytes.
    """

    stamp: int
    happened: Happened
    key: Key
    before: Document | None
    after: Document
    size: int = 0
    forms: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """How watchers were told, by the form they asked for: what two hundred ask for is written once."""


class Row(NamedTuple):
    """One object of a listing. run: its workflow's; seal: equal as long as the object has not changed."""

    key: Key
    run: str
    seal: bytes


class Fed(NamedTuple):
    """One object as it is known to be. version: its resourceVersion as a number."""

    row: Row
    uid: str
    version: int
    document: Document


@dataclass
class _Entry:
    fed: Fed
    at: float


class Cache:
    """The objects of one kind and the log of their changes.

    stamp: how far this knowledge reaches, the resourceVersion of a list; latest: the stamp of the latest change.
    """

    def __init__(self, limit: int = LOG_LIMIT, most: int = LOG_BYTES) -> None:
        self._limit = limit
        self._most = most
        self._bytes = 0
        self._entries: dict[Key, _Entry] = {}
        self._log: list[Change] = []
        self._stamps: list[int] = []
        self._births: dict[Scope, int] = {}
        self._gone: dict[str, float] = {}  # last runs of objects that are gone, with the time that was noticed
        self._floor = 0
        self.stamp = 0
        self.latest = 0

    def entry(self, key: Key) -> Fed | None:
        """Return what was fed of an object."""
        entry = self._entries.get(key)
        return entry.fed if entry else None

    def document(self, key: Key) -> Document | None:
        """Return an object as it was last known."""
        fed = self.entry(key)
        return fed.document if fed else None

    def documents(self, scope: Scope = EVERYTHING) -> list[Document]:
        """Return the objects of a scope by namespace and name."""
        if scope.name is not None and scope.namespace is not None:
            found = self.document(Key(scope.namespace, scope.name))
            return [found] if found else []
        return [self._entries[key].fed.document for key in sorted(self._entries) if scope.holds(key)]

    def news(self, row: Row) -> bool:
        """Tell whether a listed object is another than the one that is known, and worth reading."""
        if row.run in self._gone:
            return False
        entry = self._entries.get(row.key)
        return entry is None or entry.fed.row != row

    def merge(self, scope: Scope, listed: Iterable[Row], read: Iterable[Fed], began: float, now: float) -> None:
        """Take over a listing of a scope that began at a time (of the same clock as `now`, seconds).

        read: those of the listed objects that were `news`. What the scope has and the listing lacks is gone, unless it
        was fed since the listing began.
        """
        for fed in read:
            self.put(fed, now, began=began)
        known = {row.key for row in listed}
        for key, entry in list(self._entries.items()):
            if scope.holds(key) and key not in known and entry.at < began:
                self._drop(key)
        self._gone = {run: at for run, at in self._gone.items() if now - at < TOMBSTONE_SECONDS}
        self.born(scope, began)

    def born(self, scope: Scope, began: float) -> None:
        """Note that all of a scope was known from a time on."""
        self.stamp = max(self.stamp, int(began * 1e6))
        if scope not in self._births:
            if len(self._births) >= SCOPES_LIMIT:
                self._births = {EVERYTHING: self._births[EVERYTHING]} if EVERYTHING in self._births else {}
            self._births[scope] = self.stamp

    def put(self, fed: Fed, now: float, *, began: float | None = None) -> None:
        """Take over one object, unless what is known of it is newer.

        began: when the listing began that has it; what was fed since is newer than any listing.
        """
        key = fed.row.key
        entry = self._entries.get(key)
        if fed.row.run in self._gone or (entry is not None and _outdated(entry, fed, began)):
            return
        if entry is None or entry.fed.uid != fed.uid:
            if entry is not None:
                self._drop(key)
            self._note(Happened.ADDED, None, fed, now)
        elif entry.fed.document != fed.document:
            self._note(Happened.MODIFIED, entry.fed.document, fed, now)
        self._entries[key] = _Entry(fed, now if began is None else began)

    def drop(self, key: Key, run: str, now: float) -> None:
        """Note that an object is gone for certain, with the last run of its workflow."""
        self._gone[run] = now
        entry = self._entries.get(key)
        if entry is not None and entry.fed.row.run == run:
            self._drop(key, now)

    def watched_from(self, scope: Scope, stamp: int) -> bool:
        """Tell whether everything that happened in a scope after a stamp is known."""
        born = [birth for known, birth in self._births.items() if scope.within(known)]
        return bool(born) and min(born) <= stamp <= self.stamp and stamp >= self._floor

    def since(self, stamp: int) -> Iterator[Change] | None:
        """Yield what arrived after a stamp; None when some of that is forgotten."""
        if stamp < self._floor:
            return None
        return iter(self._log[bisect_right(self._stamps, stamp) :])

    def _drop(self, key: Key, now: float = 0.0) -> None:
        last = self._entries.pop(key).fed
        self._note(Happened.DELETED, last.document, last, now)

    def _note(self, happened: Happened, before: Document | None, fed: Fed, now: float) -> None:
        self.stamp = max(int(now * 1e6), self.stamp + 1, fed.version + 1)
        self.latest = self.stamp
        size = len(fed.row.seal)
        self._log.append(Change(self.stamp, happened, fed.row.key, before, fed.document, size))
        self._stamps.append(self.stamp)
        self._bytes += size
        if len(self._log) > 2 * self._limit or self._bytes > 2 * self._most:
            self._forget()

    def _forget(self) -> None:
        """Forget the older half, so that forgetting costs nothing most of the time."""
        kept, count = 0, 0
        for change in reversed(self._log):
            kept += change.size
            if count == self._limit or kept > self._most:
                break
            count += 1
        gone = len(self._log) - max(count, 1)
        self._floor = self._stamps[gone - 1]
        del self._log[:gone], self._stamps[:gone]
        self._bytes = sum(change.size for change in self._log)


def _outdated(entry: _Entry, fed: Fed, began: float | None) -> bool:
    """Tell whether an arrival is older than what is known: an older version, or a listing from before a later word."""
    if entry.fed.uid == fed.uid:
        return fed.version < entry.fed.version
    return began is not None and entry.at > began
