"""Heartbeats of activities that block on a thread, or await for long."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from temporalio import activity
from temporalio.exceptions import CancelledError

from domain.problem import Problem

INTERVAL = 1.0
"""Seconds between heartbeats; the SDK passes on only as many as the heartbeat timeout needs."""


def beat() -> None:
    """Stop a long call early and cleanly when its activity was cancelled or its worker is shutting down.

    Raises CancelledError, or Problem.retry `WorkerStopped`: the next worker takes the step up.
    """
    if activity.is_cancelled():
        raise CancelledError("the activity was cancelled")
    if activity.is_worker_shutdown():
        raise Problem.retry("WorkerStopped", "its worker was stopped; the next one takes the step up")


@contextmanager
def heartbeating(details: Callable[[], tuple[object, ...]] = tuple) -> Iterator[None]:
    """Heartbeat from a thread of its own while the body blocks; `details` gives what people see meanwhile."""
    done = threading.Event()
    context = contextvars.copy_context()

    def beating() -> None:
        while not done.wait(INTERVAL):
            with suppress(TimeoutError):  # a worker too busy to take this one may take the next
                activity.heartbeat(*details())

    thread = threading.Thread(target=context.run, args=(beating,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@asynccontextmanager
async def pulsing(beat: Callable[[], None] = activity.heartbeat) -> AsyncIterator[None]:
    """Heartbeat from a task of its own while the body awaits, as seldom as the heartbeat timeout allows.

    Three beats to a timeout: one may be late and one be lost before the worker counts as dead.
    """
    timeout = activity.info().heartbeat_timeout
    interval = timeout.total_seconds() / 3 if timeout else INTERVAL

    async def pulse() -> None:
        while True:
            beat()
            await asyncio.sleep(interval)

    pulsing = asyncio.create_task(pulse())
    try:
        yield
    finally:
        pulsing.cancel()
        await asyncio.wait([pulsing])
