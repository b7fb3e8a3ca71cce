"""Heartbeats of activities that block on a thread."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
            activity.heartbeat(*details())

    thread = threading.Thread(target=context.run, args=(beating,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
