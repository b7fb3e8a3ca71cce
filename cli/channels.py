"""Channels into guests, whichever way they were opened: carrying their bytes, and lending them to local connections."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import NamedTuple

from domain.channel import Endpoint
from domain.problem import Problem
from runtime.channels import dial
from runtime.objects import Objects

CHUNK = 64 * 1024

HALF_CLOSED = 60.0
"""Seconds of silence after which a connection ends whose client has said everything: channels cannot tell a guest so,
and it may still be answering."""


class Channel(NamedTuple):
    """A guest's bytes; `receive` returns none when the guest hangs up. Both raise Problem.retry `ChannelBroke`."""

    receive: Callable[[], Awaitable[bytes]]
    send: Callable[[bytes], Awaitable[None]]


Opening = Callable[[], AbstractAsyncContextManager[Channel]]
"""Opens a channel of its own whenever it is called."""


def broke(why: object) -> Problem:
    """Return the problem of a channel that ended as none should."""
    return Problem.retry("ChannelBroke", f"the connection to the guest broke ({why}); connect again")


@asynccontextmanager
async def dialed(
    objects: Objects, name: str, namespace: str, endpoint: Endpoint, port: int = 0
) -> AsyncIterator[Channel]:
    """Open a channel without a gateway. Raises Problem as `runtime.channels.dial` does."""
    reader, writer = await dial(objects, name, namespace, endpoint, port)

    async def receive() -> bytes:
        try:
            return await reader.read(CHUNK)
        except OSError as error:
            raise broke(error) from error

    async def send(data: bytes) -> None:
        writer.write(data)
        try:
            await writer.drain()
        except OSError as error:
            raise broke(error) from error

    try:
        yield Channel(receive, send)
    finally:
        writer.close()


async def carry(
    guest: Channel, said: AsyncIterator[bytes], show: Callable[[bytes], Awaitable[None]], *, linger: float
) -> None:
    """Carry bytes both ways until the guest hangs up, or until so many seconds of silence after all was said."""
    loop = asyncio.get_running_loop()
    heard = loop.time()

    async def inward() -> None:
        async for data in said:
            await guest.send(data)

    async def outward() -> None:
        nonlocal heard
        while data := await guest.receive():
            await show(data)
            heard = loop.time()

    async def silence() -> None:
        """Return so many seconds after the last byte of both ways; silence before all was said means nothing."""
        await saying
        end = loop.time() + linger
        while (now := loop.time()) < end:
            await asyncio.sleep(end - now)
            end = heard + linger

    saying, hearing = asyncio.create_task(inward()), asyncio.create_task(outward())
    ways = {saying, hearing, asyncio.create_task(silence())}
    try:
        await asyncio.wait(ways - {saying}, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            if way.done():
                way.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


@asynccontextmanager
async def forwarding(opened: Opening, address: str, port: int) -> AsyncIterator[int]:
    """Listen on a local TCP port; every connection gets a channel of its own. Gives the port.

    Raises Problem.terminal `PortTaken`.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def show(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            async with opened() as guest:
                with suppress(ConnectionError):  # a local client that goes is how a connection ends
                    await carry(guest, _chunks(reader), show, linger=HALF_CLOSED)
        except Problem as problem:
            sys.stderr.write(f"error: {problem}\n")
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, address, port)
    except OSError as error:
        raise Problem.terminal("PortTaken", f"cannot listen: {error.strerror}", field=f"{address}:{port}") from error
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(CHUNK):
        yield data
