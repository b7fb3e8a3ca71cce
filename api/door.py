"""The front door: what holds for every request before anybody looks at what it asks.

An odd path is refused, a request that takes too long is ended, at most so many are served at once, and whatever goes
wrong behind the door comes out as a Status: no stack trace, no half sentence of a library.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.service import RPCError, RPCStatusCode

from api.addressing import PathError, segments
from api.answers import refused
from api.errors import internal, timed_out
from api.gateway import Gateway
from api.refusals import Refusal, bad_request, method_not_allowed, nothing_there, too_many, unavailable

REQUEST_SECONDS = 60.0
"""How long a request may take until its answer begins, as in Kubernetes."""

QUERY_LIMIT = 16 * 1024
"""Bytes behind the question mark."""

HEADER_LIMIT = 64 * 1024
"""Bytes of a request's headers."""

_LATER = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}


class Door:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check(scope)
            self._gateway.requests.check()
            with ExitStack() as served:
                served.enter_context(self._gateway.requests.one())
                async with asyncio.timeout(REQUEST_SECONDS) as deadline:
                    answering = _Answering(send, [partial(_unhurried, deadline), served.close])
                    await self._app(scope, receive, answering)
        except (Refusal, PathError, TimeoutError) as error:
            await refused(refusal_for(error))(scope, receive, send)


class _Answering:
    """Sends; once an answer begins, its request is neither hurried nor counted any more."""

    def __init__(self, send: Send, begun: list[Callable[[], None]]) -> None:
        self._send = send
        self._begun = begun

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            for done in self._begun:
                done()
        await self._send(message)


def _unhurried(deadline: asyncio.Timeout) -> None:
    """Let an answer take its time; one that begins because its time was over is sent all the same."""
    if not deadline.expired():
        deadline.reschedule(None)


def _check(scope: Scope) -> None:
    segments(scope.get("raw_path") or scope["path"].encode())
    if len(scope["query_string"]) > QUERY_LIMIT:
        raise bad_request(f"the query has more than {QUERY_LIMIT} bytes")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_LIMIT:
        raise Refusal(431, "RequestHeaderFieldsTooLarge", f"the request's headers have more than {HEADER_LIMIT} bytes")


def refusal_for(error: Exception) -> Refusal:
    """Return how an error is answered."""
    match error:
        case Refusal():
            return error
        case PathError():
            return bad_request(str(error))
        case TimeoutError():
            return timed_out(f"the request did not finish within {REQUEST_SECONDS:g} s")
        case HTTPException():
            return _http(error)
        case RPCError():
            return _temporal(error)
        case _:
            return internal("the gateway's log tells more")


def _temporal(error: RPCError) -> Refusal:
    if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
        return too_many()
    if error.status in _LATER:
        return unavailable("the Temporal server does not answer", None)
    return internal("the Temporal server refused; the gateway's log tells more")


def _http(error: HTTPException) -> Refusal:
    match error.status_code:
        case 404:
            return nothing_there()
        case 405:
            return method_not_allowed((error.headers or {}).get("Allow", ""))
        case _:
            return Refusal(error.status_code, "BadRequest", str(error.detail))
