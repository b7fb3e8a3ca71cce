"""Waiting for a condition. The caller holds the deadline (`asyncio.timeout`)."""

import asyncio
from collections.abc import Awaitable, Callable

Condition = Callable[[], Awaitable[bool]]


async def until(condition: Condition, *, every: float) -> None:
    """Return as soon as the condition holds; it is asked at once and then `every` seconds."""
    while not await condition():  # noqa: ASYNC110 (what is awaited happens in another process: no event tells)
        await asyncio.sleep(every)
