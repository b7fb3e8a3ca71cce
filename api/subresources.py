"""Parts of an object with a path of their own: its status, a VM's operations, its console.

HANDLERS has one for each subresource discovery tells of. Streams (console, VNC, a port) register themselves in STREAMS:
a WebSocket's handler takes the socket and the work, when who asks is known and may.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from uuid import uuid4

from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket

from api import verbs
from api.answers import respond
from api.calls import invalid_option
from api.errors import success
from api.receiving import options
from api.refusals import bad_request, conflict
from api.verbs import Handler, Work
from manifests.contract import LIFECYCLE_QUEUE, ConsoleRequest, PowerRequest, Update, WorkflowType

Stream = Callable[[WebSocket, Work], Awaitable[None]]

STREAMS: dict[str, Stream] = {}
"""WebSocket handlers by subresource."""

_LOG_LIMIT = 1024 * 1024
_LOG_DEFAULT = 64 * 1024
_LOG_PATIENCE = timedelta(seconds=30)

_OPTIONS = {"kind", "apiVersion", "force", "request", "gracePeriod", "gracePeriodSeconds", "dryRun"}
_REQUEST_LIMIT = 128

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
    """Ask a VM for an operation; the body, which may be empty, has `force` and `request`."""
    asked = await _asked(work)
    if work.call.dry:
        await work.gateway.store.get(work.served, work.call.key)
    else:
        await work.gateway.store.operate(work.served, work.call.key, update, asked)
    live = await work.gateway.store.get(work.served, work.call.key)
    done = success(work.call.resource, work.call.address.name, live["metadata"].get("uid", ""))
    return respond(done, HTTPStatus.ACCEPTED)


async def log(work: Work) -> Response:
    """Answer with what the guest wrote to its serial console, the last bytes of it."""
    document = await work.gateway.store.get(work.served, work.call.key)
    name = work.call.address.name
    hypervisor = document.get("status", {}).get("placement", {}).get("hypervisor", "")
    if not hypervisor:
        raise conflict(work.call.resource, name, "it is not on a hypervisor yet, so it has no console")
    limit = work.call.number("limitBytes") or _LOG_DEFAULT
    if limit > _LOG_LIMIT:
        raise invalid_option("limitBytes", f"at most {_LOG_LIMIT}")
    text: str = await work.gateway.store.objects.client.execute_workflow(
        WorkflowType.CONSOLE,
        ConsoleRequest(hypervisor=hypervisor, uid=document["metadata"]["uid"], limit=limit),
        id=f"Console/{work.call.address.namespace}/{name}/{uuid4()}",
        task_queue=LIFECYCLE_QUEUE,
        result_type=str,
        execution_timeout=_LOG_PATIENCE,
    )
    lines = work.call.number("tailLines")
    return PlainTextResponse("".join(text.splitlines(keepends=True)[-lines:]) if lines else text)


async def stream(work: Work) -> Response:
    """Refuse a stream to who does not ask for a WebSocket."""
    del work
    raise bad_request("Upgrade request required")


async def _asked(work: Work) -> PowerRequest:
    """Return the operation's options from the body, with who asks. No grace at all is force, as virtctl says it."""
    said = await options(work.request)
    if not set(said) <= _OPTIONS:
        raise bad_request(f"the body is an object with any of {', '.join(sorted(_OPTIONS))}")
    force = said.get("force", False)
    request = said.get("request", "")
    if not isinstance(force, bool) or not isinstance(request, str) or len(request) > _REQUEST_LIMIT:
        raise bad_request("force is true or false, and request a text of at most 128 characters")
    graceless = 0 in {said.get("gracePeriod"), said.get("gracePeriodSeconds")}
    return PowerRequest(force=force or graceless, request=request or str(uuid4()), by=work.call.caller.name)


HANDLERS: dict[str, Handler] = {
    "status": verbs.get,
    **{update.value: partial(operate, update=update) for update in _OPERATIONS},
    "log": log,
    "console": stream,
    "vnc": stream,
    "portforward": stream,
}
