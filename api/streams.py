"""A guest's console, screen and TCP ports, as WebSockets: binary messages are the guest's bytes, both ways.

Whatever is wrong is answered before the upgrade, as any other refusal. The protocol is KubeVirt's
(`plain.kubevirt.io`), so its clients and noVNC find what they know.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import structlog
from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from temporalio.service import RPCError

from api.addressing import PathError, address, segments
from api.answers import refused
from api.describing import gateway_of
from api.door import refusal_for
from api.errors import refusal_of
from api.refusals import Refusal, bad_request, conflict, nothing_there
from api.routes import caller, understood
from api.subresources import STREAMS
from api.verbs import Work
from domain.channel import Endpoint
from domain.problem import Problem
from runtime.channels import Streams, dial
from runtime.wait import until

log = structlog.get_logger()

router = APIRouter()

SUBPROTOCOL = "plain.kubevirt.io"

CHECKED = 10.0
"""Seconds after which it is asked again whether somebody still may."""

_CHUNK = 64 * 1024
_PORT = re.compile("[0-9]{1,5}")
_LAST_PORT = 65535
_ENDED, _FORBIDDEN = 1000, 1008
"""Close codes (RFC 6455, 7.4.1)."""

_EXPECTED = (Refusal, PathError, HTTPException, RPCError, TimeoutError)
"""Errors that are answers; any other one is a mistake of the gateway, and its log tells of it."""

_NOT_NOW = {"NotPlaced", "GuestNotRunning", "PortClosed"}
"""Reasons that are the VM's own state: it is another one later, or after a change."""


@router.websocket("/api/{rest:path}")
@router.websocket("/apis/{rest:path}")
async def connect(socket: WebSocket) -> None:
    """Serve a stream."""
    try:
        work = await _work(socket)
        try:
            await STREAMS[work.call.address.subresource](socket, work)
        except Problem as problem:
            raise _refusal(problem, work) from problem
    except Exception as error:
        if socket.application_state is not WebSocketState.CONNECTING:
            raise
        if not isinstance(error, _EXPECTED):
            log.exception("a stream failed before it began")
        await socket.send_denial_response(refused(refusal_for(error)))


async def console(socket: WebSocket, work: Work) -> None:
    """Carry the serial console's bytes."""
    await _serve(socket, work, Endpoint.CONSOLE)


async def vnc(socket: WebSocket, work: Work) -> None:
    """Carry the screen's bytes: RFB."""
    await _serve(socket, work, Endpoint.VNC)


async def port_forward(socket: WebSocket, work: Work) -> None:
    """Carry the bytes of one TCP connection to a port: `portforward/80`, or `portforward/80/tcp` as KubeVirt has it."""
    match work.call.address.rest:
        case (port,) | (port, "tcp") if _PORT.fullmatch(port) and 0 < int(port) <= _LAST_PORT:
            await _serve(socket, work, Endpoint.PORT, int(port))
        case _:
            raise bad_request("write portforward/PORT, with a TCP port of the guest from 1 to 65535")


STREAMS.update({"console": console, "vnc": vnc, "portforward": port_forward})


async def _work(socket: WebSocket) -> Work:
    """Return what is asked for, by somebody who may; Refusal otherwise."""
    request = Request({**socket.scope, "type": "http", "method": "GET"})  # as which a WebSocket begins
    gateway, who = gateway_of(request), await caller(request)
    found = address(segments(socket.scope["raw_path"]))
    served = gateway.store.at(found.api_version, found.plural) if found else None
    if found is None or served is None:
        raise nothing_there()
    _, call = understood(request, who, served, found)
    if found.subresource not in STREAMS:
        raise bad_request("this is no stream; ask for it without an upgrade")
    gateway.waiting.check(who.name)
    return Work(gateway, call, served, request)


async def _serve(socket: WebSocket, work: Work, endpoint: Endpoint, port: int = 0) -> None:
    """Dial, accept, and carry until either side ends, or until who asked may not any more."""
    gateway, where = work.gateway, work.call.address
    with gateway.waiting.one(work.call.caller.name):
        reader, writer = await dial(gateway.store.objects, where.name, where.namespace, endpoint, port)
        try:
            await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
            await _carry(socket, (reader, writer), partial(gateway.accounts.still, work.call.caller))
        finally:
            writer.close()


async def _carry(socket: WebSocket, guest: Streams, still: Callable[[], Awaitable[bool]]) -> None:
    from_client = asyncio.create_task(_from_client(socket, guest[1]))
    from_guest = asyncio.create_task(_from_guest(guest[0], socket))
    dismissed = asyncio.create_task(_dismissed(still))
    ways = {from_client, from_guest, dismissed}
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
    if from_client not in done:
        with suppress(WebSocketDisconnect, RuntimeError):  # it went meanwhile
            await socket.close(_FORBIDDEN if dismissed in done else _ENDED)


async def _from_client(socket: WebSocket, guest: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while (message := await socket.receive())["type"] == "websocket.receive":
            guest.write(message.get("bytes") or (message.get("text") or "").encode())
            await guest.drain()


async def _from_guest(guest: asyncio.StreamReader, socket: WebSocket) -> None:
    with suppress(OSError, WebSocketDisconnect):
        while data := await guest.read(_CHUNK):
            await socket.send_bytes(data)


async def _dismissed(still: Callable[[], Awaitable[bool]]) -> None:
    """Return when an account is gone, or may do something else than it might."""

    async def gone() -> bool:
        return not await still()

    await until(gone, every=CHECKED)


def _refusal(problem: Problem, work: Work) -> Refusal:
    if problem.reason in _NOT_NOW:
        return conflict(work.call.resource, work.call.address.name, problem.message)
    return refusal_of(problem, work.served.resource, work.call.address.name)
