"""Server-side apply: an object becomes what several managers each say of it, and the book says who said what.

Who applies owns what its configuration says. What it said last time and says no more goes, unless somebody else owns
it. What it says otherwise than another manager is a conflict, unless it is forced: then the other loses the field.
Source: Kubernetes' "server-side apply"; the wording of conflicts is that of its API server.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from api.errors import Cause, apply_conflict
from api.patching.fields import Difference, Fields, difference, fields_of, merged, pruned, told, tree
from api.patching.managers import APPLY, UPDATE, Book, Entry, Writer, book_of, ceded, content, with_book
from api.patching.shape import Document, Shape, shape_of
from api.refusals import Refusal, bad_request
from api.resources import Resource
from domain.problem import Problem
from manifests.status import timestamp

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which client-side apply keeps what was applied."""

KUBECTL = "kubectl"
"""The manager of `kubectl apply --server-side`: it takes over from kubectl's client-side apply without conflicts."""

BEFORE_FIRST_APPLY = "before-first-apply"
"""The manager of what an object without a book has when it is first applied to."""

_NAMED: Fields = frozenset({("f:metadata", "f:name")})
"""What every configuration says, though nobody owns it: so metadata never goes whole."""

Canonical = Callable[[Document], Document]


def applied(  # noqa: PLR0913 - each argument is one part of the request
    resource: Resource,
    live: Mapping[str, Any] | None,
    config: Mapping[str, Any],
    writer: Writer,
    *,
    force: bool = False,
    canonical: Canonical = dict,
) -> Document:
    """Return the object after somebody applies a configuration; live is None where there is none yet.

    canonical: returns an object as it is stored (defaults filled in, quantities in one form); what it raises passes.
    Raises Refusal 409 with a cause for each field that another manager owns and says otherwise.
    """
    if (config.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    shape = shape_of(resource)
    said = content(without_nulls(dict(config)))
    before = _before(live, shape, writer)
    own = Entry(writer.manager, APPLY, writer.api_version, subresource=writer.subresource)
    last = before.get(own.identity, own)
    book = {**before, own.identity: replace(last, api_version=writer.api_version, fields=fields_of(said, shape))}
    base = dict(live) if live is not None else _envelope(config)
    new = merged(base, said, shape)
    new = pruned(new, shape, tree(last.fields), tree(_NAMED.union(*(each.fields for each in book.values()))))
    taken = _forced(force=force, live=live, writer=writer, shape=shape)

    def changes_of(document: Document) -> Difference:
        return difference(content(live or {}), content(document), shape)

    try:
        stored = canonical(new)
    except Problem:
        _settled(book, own.identity, changes_of(new).written, taken)  # a conflict says more than what follows from it
        raise
    changes = changes_of(stored)
    book = _settled(book, own.identity, changes.written, taken)
    book = ceded(book, own.identity, changes.removed)
    if book[own.identity].fields != last.fields or not changes.empty:
        book[own.identity] = replace(book[own.identity], time=timestamp(writer.now))
    return with_book(_noted(stored, config, writer), book)


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    """Return a value without fields that are null: they say nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def _envelope(config: Mapping[str, Any]) -> Document:
    """Return what a new object is called."""
    metadata = config.get("metadata") or {}
    named = {key: metadata[key] for key in ("name", "namespace") if metadata.get(key)}
    return {"apiVersion": config.get("apiVersion"), "kind": config.get("kind"), "metadata": named}


def _before(live: Mapping[str, Any] | None, shape: Shape, writer: Writer) -> Book:
    """Return the book as it is; an object that has none belongs to somebody without a name."""
    book = book_of(live)
    if book or live is None:
        return book
    said = fields_of(content(live), shape)
    nameless = Entry(BEFORE_FIRST_APPLY, UPDATE, writer.api_version, said, timestamp(writer.now))
    return {nameless.identity: nameless}


Allowed = Callable[[tuple[str, ...]], bool]


def _forced(*, force: bool, live: Mapping[str, Any] | None, writer: Writer, shape: Shape) -> Allowed:
    """Return which fields may be taken: all by force, and kubectl takes what its client-side apply said."""
    taken = _last_applied(live, shape) if writer.manager == KUBECTL else frozenset()
    return lambda path: force or path in taken


def _last_applied(live: Mapping[str, Any] | None, shape: Shape) -> Fields:
    annotations = ((live or {}).get("metadata") or {}).get("annotations") or {}
    try:
        config = json.loads(annotations.get(LAST_APPLIED, ""))
    except ValueError:
        return frozenset()
    if not isinstance(config, dict):
        return frozenset()
    return fields_of(content(config), shape)


def _noted(stored: Document, config: Mapping[str, Any], writer: Writer) -> Document:
    """Return an object whose annotation of client-side apply, if it has one, tells what kubectl applied just now."""
    metadata = stored["metadata"]
    annotations = metadata.get("annotations") or {}
    if writer.manager != KUBECTL or LAST_APPLIED not in annotations:
        return stored
    text = json.dumps(config, separators=(",", ":"), ensure_ascii=False) + "\n"
    return {**stored, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}


def _settled(book: Book, own: tuple[str, ...], written: Fields, allowed: Allowed) -> Book:
    """Return the book after conflicts are settled by force; without it they are raised."""
    conflicts = [
        (each, path)
        for identity, each in sorted(book.items())
        if identity != own
        for path in sorted(each.fields & written)
    ]
    refused = [(each, path) for each, path in conflicts if not allowed(path)]
    if refused:
        raise _conflict(refused)
    return ceded(book, own, (path for _, path in conflicts))


def _conflict(refused: list[tuple[Entry, tuple[str, ...]]]) -> Refusal:
    causes = [Cause(told(path), f"conflict with {each.title}", "FieldManagerConflict") for each, path in refused]
    if len(refused) == 1:
        each, path = refused[0]
        return apply_conflict(f"Apply failed with 1 conflict: conflict with {each.title}: {told(path)}", causes)
    lines = []
    for title in dict.fromkeys(each.title for each, _ in refused):
        lines.append(f"conflicts with {title}:")
        lines += [f"- {told(path)}" for each, path in refused if each.title == title]
    return apply_conflict(f"Apply failed with {len(refused)} conflicts: " + "\n".join(lines), causes)
