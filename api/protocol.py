"""The HTTP protocol of one connection: uvicorn's, with deadlines for slow clients and refusals clients can read.

uvicorn waits for ever for a request that has begun and does not end; thousands of such connections would be all a
gateway has. Here a request's head, its body and the taking of its answer each have a deadline.
"""

import asyncio
import json
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""From the first byte (or the connection) to the end of the request's head."""

BODY_SECONDS = 30.0
"""From the head to the end of the request's body."""

TAKING_SECONDS = 30.0
"""How long a client may leave an answer untaken."""

CONNECTIONS = 2_000
"""Connections at once; one more is closed at once, before a byte of it is read."""


class Protocol(H11Protocol):
    """One connection."""

    open: ClassVar[int] = 0

    def __init__(self, *arguments: Any, **keywords: Any) -> None:  # noqa: ANN401 - the server's business
        super().__init__(*arguments, **keywords)
        self._deadline: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._counted = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the base class has it
        """Begin, unless there are too many."""
        if Protocol.open >= CONNECTIONS:
            transport.abort()
            return
        Protocol.open += 1
        self._counted = True
        super().connection_made(transport)
        self._within(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if not self._counted:
            return
        self._uncount()
        self._within(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a deadline begins with the first byte of a head, and another when the body is awaited."""
        if self._deadline is None and self._idle():
            self._within(HEAD_SECONDS)
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before and self.cycle is not None:
            self._within(BODY_SECONDS if self.cycle.more_body else None)
        elif self.cycle is not None and not self.cycle.more_body and not self._idle():
            self._within(None)

    def pause_writing(self) -> None:
        """Give the client a while to take what was sent."""
        super().pause_writing()
        if self._taking is None:
            self._taking = self.loop.call_later(TAKING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it has taken enough."""
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
        if self.flow is not None:
            super().resume_writing()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over; a WebSocket has deadlines of its own, and is counted where it is served."""
        self._within(None)
        self._uncount()
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, as clients expect refusals."""
        body = json.dumps(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": msg,
                "reason": "BadRequest",
                "code": 400,
            }
        ).encode()
        if self.conn.our_state is h11.IDLE:
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            for part in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _uncount(self) -> None:
        Protocol.open -= 1
        self._counted = False

    def _idle(self) -> bool:
        """Tell whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _within(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._late) if seconds else None

    def _late(self) -> None:
        """Hang up on a client that does not finish its request."""
        self._deadline = None
        self.transport.abort()
