"""Lists and their parts: what is selected, how fresh it is, and where a client that reads in parts goes on.

A list knows everything that was written before it was asked for: it waits for a fresh listing, which it shares with
everybody who asks meanwhile. Parts of one list come from one snapshot, kept for a while.
"""

import base64
import binascii
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from api.cache import Document, Key, Scope
from api.errors import continue_expired, timed_out
from api.refusals import bad_request, expired
from api.watching import Poller, clock

SNAPSHOT_SECONDS = 300.0
"""How long the rest of a list that is read in parts is kept."""

SNAPSHOTS = 64
"""How many such rests are kept at once, of all kinds."""

Selection = Callable[[Document], bool]
"""Tells whether an object is selected."""


@dataclass(frozen=True)
class ListQuery:
    """What a list or watch was asked with.

    scope: what the path names; selection: what the selectors select; words: the selectors as they were written.
    """

    scope: Scope
    selection: Selection
    words: tuple[str, str] = ("", "")
    limit: int = 0
    continued: str = ""
    version: str = ""
    match: str = ""
    bookmarks: bool = False
    initial: bool | None = None
    seconds: float | None = None


class Part(NamedTuple):
    """A list, or a part of one. stamp: its resourceVersion."""

    documents: list[Document]
    stamp: int
    continued: str = ""
    remaining: int | None = None


@dataclass(frozen=True)
class _Rest:
    """The rest of a list. of: the poller it is from, its scope and its selectors."""

    of: tuple[Poller, Scope, tuple[str, str]]
    documents: list[Document]
    stamp: int
    at: float


class Snapshots:
    """The rests of lists that are read in parts."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Rest] = OrderedDict()

    async def read(self, poller: Poller, query: ListQuery) -> Part:
        """Return the part of a list that a query asks for."""
        if query.continued:
            return self._continued(poller, query)
        cache = poller.cache
        if not (query.version == "0" and poller.knows(query.scope)):
            cache = await poller.fresh(query.scope)
        _check_reached(query, cache.stamp)
        documents = [each for each in cache.documents(query.scope) if query.selection(each)]
        return self._cut(poller, documents, query)

    def _cut(self, poller: Poller, documents: list[Document], query: ListQuery) -> Part:
        stamp = poller.cache.stamp
        if not query.limit or len(documents) <= query.limit:
            return Part(documents, stamp)
        name = secrets.token_urlsafe(12)
        self._kept[name] = _Rest((poller, query.scope, query.words), documents, stamp, clock())
        while len(self._kept) > SNAPSHOTS:
            self._kept.popitem(last=False)
        return self._part(name, 0, query)

    def _continued(self, poller: Poller, query: ListQuery) -> Part:
        """Return the next part of the very list a token was given for: another may be one its bearer may not see."""
        try:
            token: Mapping[str, object] = json.loads(base64.urlsafe_b64decode(query.continued.encode()))
            name, start = str(token["of"]), int(str(token["from"]))
        except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
            raise bad_request("continue key is not valid: it is not one this server gave") from None
        rest = self._kept.get(name)
        if rest is None or clock() - rest.at > SNAPSHOT_SECONDS or start < 0:
            raise continue_expired()
        if rest.of != (poller, query.scope, query.words):
            raise bad_request("continue key is not valid: it is of a list that was asked for otherwise")
        return self._part(name, start, query)

    def _part(self, name: str, start: int, query: ListQuery) -> Part:
        rest = self._kept[name]
        end = start + query.limit if query.limit else len(rest.documents)
        left = max(0, len(rest.documents) - end)
        token = base64.urlsafe_b64encode(json.dumps({"of": name, "from": end}).encode()).decode() if left else ""
        return Part(rest.documents[start:end], rest.stamp, token, left if left and not any(query.words) else None)


def _check_reached(query: ListQuery, stamp: int) -> None:
    """Refuse what no list can promise: a state that is past, or one that is not yet."""
    if not query.version or query.version == "0":
        return
    wanted = number(query.version)
    if query.match == "Exact" and wanted != stamp:
        raise expired(f"The resourceVersion for the provided list is too old: {wanted}")
    if wanted > stamp:
        raise timed_out(f"Too large resource version: {wanted}, current: {stamp}")


def number(version: str) -> int:
    """Return a resourceVersion as a number; refuses anything else."""
    if not (version.isascii() and version.isdecimal() and len(version) < 20):  # noqa: PLR2004 - digits of 64 bits
        raise bad_request(f"invalid resource version {version[:40]!r}")
    return int(version)


def scope_of(namespace: str, name: str, *, namespaced: bool) -> Scope:
    """Return the part of a kind that a request is about; name: of the one object it selects, or empty."""
    if not namespaced:
        return Scope("", name) if name else Scope()
    return Scope(namespace or None, name if name and namespace else None)


def key_of(namespace: str, name: str, *, namespaced: bool) -> Key:
    """Return which object a path names."""
    return Key(namespace if namespaced else "", name)
