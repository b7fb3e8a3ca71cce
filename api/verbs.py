"""What each verb does: one handler each, from a call that is understood and allowed to an answer."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from random import SystemRandom

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.answers import answer, listed, told
from api.calls import Call
from api.gateway import Gateway
from api.media import JSON
from api.refusals import unauthorized
from api.store import Served
from api.streaming import PULSE, Event, events

WATCH_SECONDS = (1800.0, 3600.0)
"""How long a watch lasts that says nothing itself; by chance, so that not all come back at once."""

_chance = SystemRandom()


@dataclass(frozen=True)
class Work:
    """One request's work."""

    gateway: Gateway
    call: Call
    served: Served
    request: Request


Handler = Callable[[Work], Awaitable[Response]]


async def get(work: Work) -> Response:
    """Answer with one object."""
    return answer(work.call, await work.gateway.store.get(work.served, work.call.key))


async def list_(work: Work) -> Response:
    """Answer with the objects that are selected, or a part of them."""
    return listed(work.call, await work.gateway.snapshots.read(work.served.poller, work.call.listed()))


async def watch(work: Work) -> Response:
    """Tell of changes, one JSON document a line, until the client or its time is up."""
    work.gateway.waiting.check(work.call.caller.name)
    query = work.call.listed()
    seconds = query.seconds or _chance.uniform(*WATCH_SECONDS)

    async def lines() -> AsyncIterator[bytes]:
        first = True
        with work.gateway.waiting.one(work.call.caller.name):
            async with aclosing(events(work.served.poller, query, seconds)) as stream:
                async for event in stream:
                    if event.word == PULSE:
                        if not await work.gateway.accounts.still(work.call.caller):
                            yield told(work.call, Event("ERROR", unauthorized().status()), first=first)
                            return
                        continue
                    yield told(work.call, event, first=first)
                    first = False

    return Lines(lines(), media_type=JSON)


class Lines(StreamingResponse):
    """A stream whose source is closed with it, whatever ends it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self.body_iterator, AsyncGenerator):
                await self.body_iterator.aclose()
