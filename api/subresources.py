"""Parts of an object with a path of their own: its status, a VM's operations, its console.

HANDLERS has one for each subresource discovery tells of. Streams (console, VNC, a port) register themselves in STREAMS:
a WebSocket's handler takes the socket and the work, when who asks is known and may.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket

from api import verbs
from api.answers import respond
from api.cache import Document
from api.calls import REQUEST_LIMIT, invalid_option, is_grace
from api.errors import Cause, success
from api.receiving import options
from api.refusals import bad_request, conflict
from api.verbs import Handler, Work
from domain.guest import Power
from domain.machine import GRACE_LIMIT
from domain.problem import Problem
from domain.run_strategy import LIVE, Operation, RunStrategy
from domain.run_strategy import refusal as not_allowed
from manifests.contract import PowerRequest, Update
from runtime.nearby import console_log

Stream = Callable[[WebSocket, Work], Awaitable[None]]

STREAMS: dict[str, Stream] = {}
"""WebSocket handlers by subresource."""

_LOG_LIMIT = 1024 * 1024
_LOG_DEFAULT = 64 * 1024

_OPTIONS = {"kind", "apiVersion", "force", "request", "gracePeriod", "gracePeriodSeconds", "dryRun"}

_OPERATIONS = (
    Update.START,
    Update.STOP,
    Update.RESTART,
    Update.PAUSE,
    Update.UNPAUSE,
    Update.SOFT_REBOOT,
    Update.RESET,
)


async def operate(work: Work, *, update: Update) -> Response:
    """Ask a VM for an operation; the body, which may be empty, has `force` and `request`.

    The answer's details say which run strategy the VM has from now on: reading the VM may tell only a moment later.
    """
    said, store = await _said(work), work.gateway.store
    asked, tried = _asked(work, said), work.call.tried(said)
    told = None if tried else await store.operate(work.served, work.call.key, update, asked)
    live = await store.get(work.served, work.call.key)
    if tried:
        _check_possible(work, update, live, force=asked.force)
    done = success(work.call.resource, work.call.address.name, live["metadata"].get("uid", ""))
    if told:
        cause = Cause("status.runStrategy", told.run_strategy, "RunStrategy")
        done["details"]["causes"] = [cause.document()]
    return respond(done, HTTPStatus.ACCEPTED)


def _check_possible(work: Work, update: Update, live: Document, *, force: bool) -> None:
    """Refuse what the run strategy, as it is published, does not allow; the VM itself is not asked."""
    operation, status = Operation(update), live.get("status", {})
    current, alive = status.get("runStrategy"), status.get("vm", {}).get("power") in {Power.RUNNING, Power.PAUSED}
    if "deletionTimestamp" in live["metadata"]:
        raise conflict(work.call.resource, work.call.address.name, f"{operation} is too late: the VM is being deleted")
    free = operation in LIVE or current not in set(RunStrategy) or (operation is Operation.STOP and force and alive)
    why = "" if free else not_allowed(RunStrategy(current), operation)
    if why:
        raise conflict(work.call.resource, work.call.address.name, why)


async def log(work: Work) -> Response:
    """Answer with what the guest wrote to its serial console, the last bytes of it."""
    where = work.call.address
    limit = work.call.number("limitBytes") or _LOG_DEFAULT
    if limit > _LOG_LIMIT:
        raise invalid_option("limitBytes", f"at most {_LOG_LIMIT}")
    try:
        text = await console_log(work.gateway.store.objects, where.name, where.namespace, limit)
    except Problem as problem:
        if problem.reason != "NotPlaced":
            raise
        raise conflict(work.call.resource, where.name, problem.message) from problem
    lines = work.call.number("tailLines")
    return PlainTextResponse("".join(text.splitlines(keepends=True)[-lines:]) if lines else text)


async def stream(work: Work) -> Response:
    """Refuse a stream to who does not ask for a WebSocket."""
    del work
    raise bad_request("Upgrade request required")


async def _said(work: Work) -> dict[str, Any]:
    """Return the options in an operation's body."""
    said = await options(work.request)
    if not set(said) <= _OPTIONS:
        raise bad_request(f"the body is an object with any of {', '.join(sorted(_OPTIONS))}")
    return said


def _asked(work: Work, said: dict[str, Any]) -> PowerRequest:
    """Return what an operation's options ask for, and who asks. No grace at all is force, as virtctl says it."""
    force = said.get("force", False)
    request = said.get("request", "")
    if not isinstance(force, bool) or not isinstance(request, str) or len(request) > REQUEST_LIMIT:
        raise bad_request(f"force is true or false, and request a text of at most {REQUEST_LIMIT} characters")
    graces = [said[name] for name in ("gracePeriod", "gracePeriodSeconds") if said.get(name) is not None]
    if not all(map(is_grace, graces)):
        raise bad_request(f"gracePeriod and gracePeriodSeconds are whole seconds from 0 to {GRACE_LIMIT}")
    grace = min(graces, default=None)
    force = force or grace == 0
    return PowerRequest(force=force, grace=grace, request=request or str(uuid4()), by=work.call.caller.name)


HANDLERS: dict[str, Handler] = {
    "status": verbs.get,
    **{update.value: partial(operate, update=update) for update in _OPERATIONS},
    "log": log,
    "console": stream,
    "vnc": stream,
    "portforward": stream,
}
