"""Channels into guests: a worker near a hypervisor lets in whoever holds a ticket, and carries bytes both ways.

Bytes do not go through Temporal. Whoever wants a channel draws a secret, sends its SHA-256 (the ticket) through the
`Channel` workflow, is told where the relay listens and with which certificate, and connects there with the secret
itself: what histories keep opens nothing. A ticket is good for one connection, soon.
"""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256

import structlog
from temporalio import activity

from domain.problem import Problem
from drivers.base import Driver
from manifests.contract import ChannelAnswer, ChannelRequest

VALID = 30.0
"""Seconds within which a ticket must be used, and within which whoever connects must show one."""

STALLED = 300.0
"""Seconds a guest may take nothing of what was sent to it until it is hung up on: whether its client is still there
cannot be seen meanwhile. A client may take its time: its machine is asked whether it is there (`IDLE_PROBE`)."""

PARTING = 10.0
"""Seconds a guest has to take the last of what was sent to it, when the client is gone."""

IDLE_PROBE = 60
"""Seconds of silence after which the kernel asks whether a client's machine is still there."""

CHUNK = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Identity = tuple[ssl.SSLContext, str]
"""What a server speaks TLS with, and the certificate (PEM) by which its clients know it."""


class Channels:
    """The relay near one hypervisor. It listens from the first ticket on, until it is closed.

    listen: the address it binds and tells, one of this machine's; identity: makes a key and its certificate.
    """

    def __init__(self, driver: Driver, listen: str, identity: Callable[[], Identity]) -> None:
        self._driver = driver
        self._listen = listen
        self._identity = identity
        self._certificate = ""
        self._tickets: dict[str, tuple[ChannelRequest, float]] = {}
        self._starting = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._served: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()

    @activity.defn
    async def admit(self, request: ChannelRequest) -> ChannelAnswer:
        """Take a ticket; return where to connect with its secret. Taking it twice is taking it once.

        Raises Problem.retry `CannotListen`.
        """
        async with self._starting:
            self._server = self._server or await self._started()
        now = time.monotonic()
        self._tickets = {ticket: kept for ticket, kept in self._tickets.items() if kept[1] > now}
        self._tickets[request.ticket] = (request, now + VALID)
        port = self._server.sockets[0].getsockname()[1]
        return ChannelAnswer(host=self._listen, port=port, certificate=self._certificate)

    def close(self) -> None:
        """Stop listening, and hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for task in self._served:
            task.cancel()

    async def _started(self) -> asyncio.Server:
        context, self._certificate = self._identity()
        try:
            return await asyncio.start_server(
                self._connected, self._listen, 0, ssl=context, ssl_handshake_timeout=VALID, limit=CHUNK
            )
        except OSError as error:
            message = f"the relay cannot listen there: {error.strerror}; name an address of this machine"
            raise Problem.retry("CannotListen", message, field=self._listen) from error

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client: socket.socket = writer.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_PROBE)
        try:
            with suppress(OSError):  # a client that goes is how a channel ends
                await self._let_in(reader, writer)
        finally:
            writer.close()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let one connection in, tell it how that went in one line of JSON, and carry its bytes."""
        try:
            guest = await self._guest(await self._admitted(reader))
        except Problem as problem:
            told = {"reason": problem.reason, "message": problem.message, "verdict": problem.verdict}
            await _tell(writer, told)
            return
        try:
            await _tell(writer, {})
            await _carry((reader, writer), guest)
        finally:
            await _part(guest[1])

    async def _admitted(self, reader: asyncio.StreamReader) -> ChannelRequest:
        """Return what a connection may have; Problem.terminal `Forbidden` without a good ticket."""
        try:
            async with asyncio.timeout(VALID):
                secret = (await reader.readuntil(b"\n")).strip()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            secret = b""
        request, until = self._tickets.pop(sha256(secret).hexdigest(), (None, 0.0))
        if request is None or until < time.monotonic():
            raise Problem.terminal("Forbidden", "the ticket is unknown, used or too old; ask for another")
        return request

    async def _guest(self, request: ChannelRequest) -> Streams:
        opening = asyncio.ensure_future(
            asyncio.to_thread(self._driver.open_channel, request.uid, endpoint=request.endpoint, port=request.port)
        )
        try:
            guest = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_drop)
            raise
        self._log.info("channel opened", uid=request.uid, endpoint=request.endpoint, port=request.port)
        guest.setblocking(False)  # noqa: FBT003 - the library's own signature
        return await asyncio.open_connection(sock=guest, limit=CHUNK)


def _drop(opening: "asyncio.Future[socket.socket]") -> None:
    """Close what was opened for nobody."""
    if opening.exception() is None:
        opening.result().close()


async def _tell(writer: asyncio.StreamWriter, answer: dict[str, str]) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()


async def _carry(client: Streams, guest: Streams) -> None:
    """Carry bytes both ways until either side ends."""
    inward, outward = _pump(client[0], guest[1], STALLED), _pump(guest[0], client[1], None)
    ways = [asyncio.create_task(inward), asyncio.create_task(outward)]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float | None) -> None:
    """Carry one way until its source ends; who does not take what is sent holds the source up, for so many seconds."""
    with suppress(OSError):  # an end that breaks ends the channel
        while data := await reader.read(CHUNK):
            writer.write(data)
            async with asyncio.timeout(patience):
                await writer.drain()


async def _part(guest: asyncio.StreamWriter) -> None:
    """Hang up on a guest when it has taken everything, or is given up."""
    guest.close()
    with suppress(OSError):
        try:
            await asyncio.wait_for(guest.wait_closed(), PARTING)
        finally:
            guest.transport.abort()
