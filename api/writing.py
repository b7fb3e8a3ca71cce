"""Writes: from what a client sends to what a workflow is told, and what the client hears of it."""

from datetime import UTC, datetime
from http import HTTPStatus

from starlette.responses import Response

from api.answers import answer
from api.bodies import Body, examined, read_json, too_deep
from api.cache import Document, Key
from api.calls import Call, invalid_option
from api.errors import MODIFIED, ending, refusal_of
from api.media import APPLY_PATCH
from api.operations import patch_types
from api.patching.apply import applied
from api.patching.managers import Writer, record
from api.patching.patches import patched
from api.receiving import accepted, configuration, generated, raw, sent
from api.refusals import already_exists, bad_request, conflict, not_found
from api.rehearsing import rehearse_create, rehearse_edit
from api.store import Place
from api.validation import canonical
from api.verbs import Work
from domain.problem import Problem
from manifests.base import InvalidManifestError
from manifests.registry import parse
from runtime.objects import without_book

ATTEMPTS = 5
"""How often a patch is made anew because somebody else wrote meanwhile."""


async def create(work: Work) -> Response:
    """Create an object."""
    await _check_namespace(work)
    document = generated(await sent(work.request, work.call))
    if document["metadata"].get("resourceVersion") not in (None, "", "0"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    return await _created(work, record(work.call.resource, None, canonical(document), _writer(work)))


async def update(work: Work) -> Response:
    """Declare an object anew, whole."""
    call = work.call
    document = await sent(work.request, call)
    live = await work.gateway.store.present(work.served, call.key)
    _check_identity(work, live, document)
    version = document["metadata"].get("resourceVersion") or ""
    new = record(call.resource, live, canonical(document), _writer(work))
    return answer(call, await _replaced(work, live, new, version))


async def patch(work: Work) -> Response:
    """Change an object: by a patch, or by applying a configuration."""
    body, kind = await raw(work.request, patch_types(work.call.resource))
    change = _apply if kind == APPLY_PATCH else _patch
    for attempt in range(1, ATTEMPTS + 1):
        live = await work.gateway.store.look(work.served, work.call.key)
        work.call.warnings.clear()
        try:
            return await change(work, live, body, kind)
        except Problem as problem:
            if problem.reason != "Conflict" or attempt == ATTEMPTS:
                raise
    raise AssertionError("the last attempt answers or raises")


async def _apply(work: Work, live: Document | None, body: bytes, _kind: str) -> Response:
    call = work.call
    if not call.query.get("fieldManager"):
        raise invalid_option("fieldManager", "is required for apply patch")
    config = configuration(call, body)
    if live is not None:
        _check_identity(work, live, config)
    elif config["metadata"].get("uid"):
        raise conflict(call.resource, call.address.name, "it names a uid, and there is no object of that name")
    else:
        await _check_namespace(work)
    new = applied(call.resource, live, config, _writer(work), force=call.flag("force"), canonical=canonical)
    if live is None:
        return await _created(work, new)
    return answer(call, await _replaced(work, live, new, live["metadata"]["resourceVersion"]))


async def _patch(work: Work, live: Document | None, body: bytes, kind: str) -> Response:
    call = work.call
    if live is None:
        raise not_found(call.resource, call.address.name)
    document = accepted(call, _patched(call, live, kind, body))
    _check_identity(work, live, document)
    new = record(call.resource, live, canonical(document), _writer(work))
    return answer(call, await _replaced(work, live, new, live["metadata"]["resourceVersion"]))


def _patched(call: Call, live: Document, kind: str, body: bytes) -> Body:
    """Return what a patch makes of an object, examined as if it had come whole: patches build what no body could."""
    try:
        return examined(patched(call.resource, live, kind, read_json(body).value))
    except RecursionError:
        raise too_deep() from None


async def _created(work: Work, new: Document) -> Response:
    call, name = work.call, new["metadata"]["name"]
    key = Key(call.key.namespace, name)
    try:
        if call.dry:
            rehearse_create(work.gateway.store.objects, new)
            if await work.gateway.store.look(work.served, key) is not None:
                raise already_exists(call.resource, name)
            return answer(call, new, HTTPStatus.CREATED)
        return answer(call, await work.gateway.store.create(work.served, key, new), HTTPStatus.CREATED)
    except Problem as problem:
        raise refusal_of(problem, call.resource, name) from problem


async def _replaced(work: Work, live: Document, new: Document, version: str) -> Document:
    """Tell the workflow, unless nothing changes or nothing is to be written; return the object.

    version: that the object must still have; empty when whatever it is by now is written over.
    """
    call, request = work.call, work.call.request
    if same(live, new) or (not _edited(work) and same(without_book(live), without_book(new))):
        return live
    if call.dry:
        rehearse_edit(work.gateway.store.objects, live, new)
        return {**live, **new, "metadata": {**live["metadata"], **new["metadata"]}}
    by = call.caller.name
    return await work.gateway.store.replace(work.served, call.key, new, version=version, by=by, request=request)


def _edited(work: Work) -> bool:
    return work.served.kind is None or work.served.kind.editable


def same(live: Document, new: Document) -> bool:
    """Tell whether a write would change nothing."""
    try:
        return parse(live).document() == parse(new).document()
    except InvalidManifestError:
        return False


def _check_identity(work: Work, live: Document, document: Document) -> None:
    """Refuse a write that was made for another state of the object, or for another object of that name."""
    said, is_now = document["metadata"], live["metadata"]
    resource, name = work.call.resource, work.call.address.name
    if said.get("uid") not in (None, "", is_now.get("uid")):
        message = f"Precondition failed: UID in precondition: {said['uid']}, UID in object meta: {is_now.get('uid')}"
        raise conflict(resource, name, message)
    if said.get("resourceVersion") not in (None, "", is_now.get("resourceVersion")):
        raise conflict(resource, name, MODIFIED)


async def _check_namespace(work: Work) -> None:
    """Refuse to create an object nowhere."""
    call = work.call
    if not call.resource.namespaced:
        return
    if not call.address.namespace:
        raise bad_request("an empty namespace may not be set during creation")
    match await work.gateway.store.place(call.address.namespace):
        case Place.MISSING:
            raise not_found(work.gateway.store.of("Namespace").resource, call.address.namespace)
        case Place.ENDING:
            raise ending(call.resource, call.address.namespace)
        case Place.OPEN:
            return


def _writer(work: Work) -> Writer:
    return Writer(work.call.manager, work.call.resource.api_version, datetime.now(UTC))
