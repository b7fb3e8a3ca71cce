"""A watch, told event by event. Pure but for waiting: how an event is written is the caller's business."""

from collections.abc import AsyncGenerator
from typing import NamedTuple

from api.cache import Change, Document, Happened
from api.errors import watch_expired
from api.reading import ListQuery, number
from api.refusals import Refusal
from api.watching import Poller, clock

BOOKMARK_SECONDS = 30.0
"""How often a watch tells how far it is: its client resumes from there."""

PULSE_SECONDS = 5.0
"""How often is asked whether a watch may go on."""

BOOKMARK = "BOOKMARK"

PULSE = ""
"""The word of an event that nobody is told: a while has passed, and whether the watch may go on is asked again."""

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the initial events of a streaming list."""


class Event(NamedTuple):
    """One event of a watch. change: what it tells of, when it is a change."""

    word: str
    document: Document
    change: Change | None = None


async def events(poller: Poller, query: ListQuery, seconds: float) -> AsyncGenerator[Event, None]:
    """Yield the events of a watch for so many seconds; an ERROR event is the last."""
    end = clock() + seconds
    with poller.watching(query.scope):
        try:
            stamp = await _beginning(poller, query)
        except Refusal as refusal:
            yield Event("ERROR", refusal.status())
            return
        if _begins_with_everything(query):
            for document in poller.cache.documents(query.scope):
                if query.selection(document):
                    yield Event(Happened.ADDED, document)
            if query.bookmarks and query.initial:
                yield _bookmark(stamp, {INITIAL_EVENTS_END: "true"})
        async for event in _changes(poller, query, stamp, end):
            yield event


async def _changes(poller: Poller, query: ListQuery, stamp: int, end: float) -> AsyncGenerator[Event, None]:
    asked = marked = clock()  # what happens outside the selection is no word to this watch
    while (left := end - clock()) > 0 and not poller.closed:
        news = poller.cache.since(stamp)
        if news is None:
            yield Event("ERROR", watch_expired(stamp, poller.cache.stamp).status())
            return
        for change in news:
            stamp = change.stamp
            told = selected(change, query)
            if told:
                yield Event(told, change.after, change)
        due = min(asked + PULSE_SECONDS, marked + BOOKMARK_SECONDS) - clock()
        if due > 0 and await poller.changed(stamp, min(left, due)):
            continue
        asked = clock()
        yield Event(PULSE, {})
        if asked >= min(end, marked + BOOKMARK_SECONDS):
            marked = asked
            if poller.cache.latest <= stamp:
                stamp = max(stamp, poller.cache.stamp)
            if query.bookmarks:
                yield _bookmark(stamp)


def selected(change: Change, query: ListQuery) -> Happened | None:
    """Return what a change is to somebody who sees only a selection: an object may come into it, or leave it."""
    if not query.scope.holds(change.key):
        return None
    was = change.before is not None and query.selection(change.before)
    stays = change.happened is not Happened.DELETED and query.selection(change.after)
    if was and stays:
        return Happened.MODIFIED
    if stays:
        return Happened.ADDED
    return Happened.DELETED if was else None


async def _beginning(poller: Poller, query: ListQuery) -> int:
    """Return the stamp a watch begins at; the cache knows the scope from there on."""
    if not query.version or query.version == "0":
        if not (query.version == "0" and poller.knows(query.scope)):
            await poller.fresh(query.scope)
        return poller.cache.stamp
    wanted = number(query.version)
    if not poller.cache.watched_from(query.scope, wanted):
        await poller.fresh(query.scope)
        if not poller.cache.watched_from(query.scope, wanted):
            raise watch_expired(wanted, poller.cache.stamp)
    return wanted if not query.initial else poller.cache.stamp


def _begins_with_everything(query: ListQuery) -> bool:
    return query.initial if query.initial is not None else query.version in {"", "0"}


def _bookmark(stamp: int, annotations: dict[str, str] | None = None) -> Event:
    metadata: Document = {"resourceVersion": str(stamp), "creationTimestamp": None}
    return Event(BOOKMARK, {"metadata": {**metadata, **({"annotations": annotations} if annotations else {})}})
