"""Deletes: one object, or all that are selected.

A delete is a signal, which every worker may be away for: it is accepted all the same, and the answer says so.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from api.answers import answer, listed, respond
from api.cache import Document
from api.calls import invalid_option, is_grace
from api.errors import success
from api.reading import Part, key_of
from api.receiving import options
from api.refusals import Refusal, bad_request, conflict
from api.verbs import Work
from domain.machine import GRACE_LIMIT
from domain.problem import Problem
from manifests.contract import DeleteRequest
from manifests.status import timestamp
from runtime.objects import check_lasting

AT_ONCE = 16
"""Objects of a collection that are told to go at the same time."""

_PROPAGATION = {"Orphan", "Background", "Foreground"}


async def delete(work: Work) -> Response:
    """Ask an object to go: a Status when it is gone at once, the object while it is not."""
    call, asked = work.call, await _options(work)
    live = await work.gateway.store.present(work.served, call.key)
    _check_preconditions(work, live, asked)
    request = _request(work, asked)
    _check_lasting(work, live)
    left = live if work.call.tried(asked) else await _deleted(work, live, request)
    if left is None:
        return respond(success(call.resource, call.address.name, live["metadata"].get("uid", "")))
    return answer(call, left)


async def delete_collection(work: Work) -> Response:
    """Ask all that are selected to go, and tell which."""
    asked = await _options(work)
    request, query = _request(work, asked), work.call.listed()
    found = await work.gateway.snapshots.read(work.served.poller, query)
    _check_lasting(work, *found.documents)
    if not work.call.tried(asked):
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(document: Document) -> None:
            async with gate:
                await _deleted(work, document, request)

        await asyncio.gather(*(one(each) for each in found.documents))
    return listed(work.call, Part(found.documents, found.stamp))


async def _deleted(work: Work, live: Document, request: DeleteRequest) -> Document | None:
    """Tell an object to go; return what is left of it, or None."""
    metadata = live["metadata"]
    key = key_of(metadata.get("namespace", ""), metadata["name"], namespaced=work.call.resource.namespaced)
    try:
        left = await work.gateway.store.delete(work.served, key, request)
    except Problem as problem:
        if problem.reason == "NotFound":  # it went by itself meanwhile
            return None
        raise
    if left is None or left["metadata"].get("uid") != metadata.get("uid"):
        return None
    now = timestamp(datetime.now(UTC))  # until a worker has taken the signal, nobody publishes it
    grace = int(request.grace or 0)
    return {**left, "metadata": {"deletionTimestamp": now, "deletionGracePeriodSeconds": grace, **left["metadata"]}}


async def _options(work: Work) -> dict[str, Any]:
    """Return the DeleteOptions in the body."""
    found = await options(work.request)
    policy = found.get("propagationPolicy") or work.call.query.get("propagationPolicy") or "Background"
    if not isinstance(policy, str) or policy not in _PROPAGATION:
        raise invalid_option("propagationPolicy", f"supported values: {', '.join(sorted(_PROPAGATION))}")
    return found


def _request(work: Work, found: dict[str, Any]) -> DeleteRequest:
    """Return who asks an object to go, and how many seconds its guest gets to shut itself down."""
    grace = found.get("gracePeriodSeconds")
    if grace is None and "gracePeriodSeconds" in work.call.query:
        grace = work.call.number("gracePeriodSeconds")
    if grace is not None and not is_grace(grace):
        raise invalid_option("gracePeriodSeconds", f"whole seconds from 0 to {GRACE_LIMIT}")
    return DeleteRequest(grace=grace, by=work.call.caller.name)


def _check_lasting(work: Work, *documents: Document) -> None:
    """Refuse what would delete something that is never deleted, before anything else goes."""
    for document in documents:
        if work.served.kind:
            check_lasting(work.served.kind, document["metadata"]["name"])


def _check_preconditions(work: Work, live: Document, found: dict[str, Any]) -> None:
    wanted = found.get("preconditions") or {}
    if not isinstance(wanted, dict):
        raise bad_request("preconditions: an object with uid and resourceVersion is wanted")
    for name, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        is_now = live["metadata"].get(name)
        if wanted.get(name) not in (None, "", is_now):
            raise _failed(work, word, wanted[name], is_now)


def _failed(work: Work, word: str, wanted: object, is_now: object) -> Refusal:
    message = f"Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {is_now}"
    return conflict(work.call.resource, work.call.address.name, message)
