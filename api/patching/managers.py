"""The book of field managers: who owns which field, kept in `metadata.managedFields`.

    record(resource, live, new, writer)   the object after a write that is no apply: who writes owns what it changes

Source: Kubernetes' "server-side apply" and the behaviour of `apimachinery/pkg/util/managedfields`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from api.patching.fields import NOTHING, Difference, Fields, difference, tree, untree
from api.patching.shape import Document, shape_of
from api.resources import Resource
from manifests.status import timestamp

APPLY, UPDATE = "Apply", "Update"

UPDATERS_LIMIT = 10
"""Managers by update an object remembers one by one; older ones become one."""

ANCIENT = "ancient-changes"

_SERVER_MADE = frozenset({
    "name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields",
})  # fmt: skip
"""Metadata that nobody owns: it is what the object is, or the server's."""

_NOBODYS: Fields = frozenset({("f:metadata",)})
"""Every object has metadata, whoever writes."""

_ENVELOPE = frozenset({"apiVersion", "kind", "status"})


@dataclass(frozen=True)
class Writer:
    """Who writes: the name a client gives itself (`fieldManager`), the version it writes in, and when."""

    manager: str
    api_version: str
    now: datetime
    subresource: str = ""


@dataclass(frozen=True)
class Entry:
    """What one manager owns."""

    manager: str
    operation: str
    api_version: str
    fields: Fields = NOTHING
    time: str = ""
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two entries one manager; an applier is the same in every version of the kind."""
        version = "" if self.operation == APPLY else self.api_version
        return (self.manager, self.operation, self.subresource, version)

    @property
    def title(self) -> str:
        """The manager as messages of conflicts name it."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        if self.operation == UPDATE:
            text += f" using {self.api_version}" + (f" at {self.time}" if self.time else "")
        return text

    def document(self) -> Document:
        """Return the entry as `metadata.managedFields` has it."""
        return {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            **({"time": self.time} if self.time else {}),
            "fieldsType": "FieldsV1",
            "fieldsV1": tree(self.fields),
            **({"subresource": self.subresource} if self.subresource else {}),
        }


Book = dict[tuple[str, ...], Entry]


def content(document: Mapping[str, Any]) -> Document:
    """Return what of an object can be owned."""
    rest = {key: value for key, value in document.items() if key not in _ENVELOPE}
    said = (document.get("metadata") or {}).items()
    metadata = {key: value for key, value in said if value and key not in _SERVER_MADE}
    return {key: value for key, value in {**rest, "metadata": metadata}.items() if key != "metadata" or value}


def book_of(document: Mapping[str, Any] | None) -> Book:
    """Return an object's book; an unreadable one is an empty one, as in Kubernetes: it must not block writes."""
    entries = ((document or {}).get("metadata") or {}).get("managedFields") or ()
    try:
        return {entry.identity: entry for entry in map(_entry, entries)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _entry(document: Mapping[str, Any]) -> Entry:
    if document["operation"] not in {APPLY, UPDATE} or document.get("fieldsType", "FieldsV1") != "FieldsV1":
        raise ValueError("not an entry of a book")
    words = [str(document.get(key) or "") for key in ("apiVersion", "time", "subresource")]
    fields = frozenset(untree(document.get("fieldsV1") or {}))
    return Entry(str(document.get("manager") or ""), document["operation"], words[0], fields, words[1], words[2])


def with_book(document: Mapping[str, Any], book: Book) -> Document:
    """Return an object with this book, without entries that own nothing, in Kubernetes' order."""
    entries = sorted(
        (each for each in _capped(book).values() if each.fields),
        key=lambda each: (each.operation, each.time, each.manager, each.api_version, each.subresource),
    )
    metadata = {key: value for key, value in (document.get("metadata") or {}).items() if key != "managedFields"}
    if entries:
        metadata["managedFields"] = [each.document() for each in entries]
    return {**document, "metadata": metadata}


def _capped(book: Book) -> Book:
    """Return a book with at most so many managers by update: the oldest become one for each version."""
    updaters = sorted((each for each in book.values() if each.operation == UPDATE), key=lambda each: each.time)
    excess = len(updaters) - UPDATERS_LIMIT
    if excess <= 0:
        return book
    capped = dict(book)
    for each in updaters[: excess + 1]:
        del capped[each.identity]
        ancient = replace(each, manager=ANCIENT, subresource="")
        known = capped.get(ancient.identity, ancient)
        latest = max(known.time, each.time)
        capped[ancient.identity] = replace(known, fields=known.fields | each.fields, time=latest)
    return capped


def ceded(book: Book, but: tuple[str, ...], fields: Iterable[tuple[str, ...]]) -> Book:
    """Return a book in which no manager but one owns these fields."""
    gone = frozenset(fields)
    return {
        identity: each if identity == but else replace(each, fields=each.fields - gone)
        for identity, each in book.items()
    }


def record(resource: Resource, live: Mapping[str, Any] | None, new: Mapping[str, Any], writer: Writer) -> Document:
    """Return an object as it is written, its book kept.

    Who writes comes to own what it changes, and everybody else loses it. A book that comes along in `new` counts, so
    that clients can mend it; one entry without anything in it (`[{}]`) empties the book.
    """
    shape = shape_of(resource)
    changes = difference(content(live or {}), content(new), shape)
    brought = (new.get("metadata") or {}).get("managedFields")
    book: Book = {} if brought == [{}] else book_of(new) or book_of(live)
    return with_book(new, _updated(book, changes, writer))


def _updated(book: Book, changes: Difference, writer: Writer) -> Book:
    if changes.empty:
        return book
    own = Entry(writer.manager, UPDATE, writer.api_version, subresource=writer.subresource)
    own = book.get(own.identity, own)
    updated = ceded(book, own.identity, changes.written | changes.removed)
    fields = ((own.fields - changes.removed) | changes.written) - _NOBODYS
    if fields != own.fields or changes.written:
        own = replace(own, time=timestamp(writer.now))
    return {**updated, own.identity: replace(own, fields=fields)}
