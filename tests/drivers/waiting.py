"""Waiting for conditions, and listening to a driver's hints from a test."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from domain.problem import Problem
from drivers.base import Change, Driver

_T = TypeVar("_T")
_PACE = 0.05
"""Seconds between two looks at a condition."""


def eventually(condition: Callable[[], _T], *, within: float, what: str) -> _T:
    """Return the condition's first true value; fail with `what` when `within` seconds pass without one."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(_PACE)


class Watch:
    """What `Driver.changes` said so far, gathered on a thread of its own."""

    def __init__(self, driver: Driver) -> None:
        self.hints: list[Change] = []
        self.problem: Problem | None = None
        self._driver = driver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def end(self, within: float) -> None:
        """Stop listening; a `changes` that does not return when told to is a failure."""
        self._stop.set()
        self._thread.join(within)
        assert not self._thread.is_alive(), "changes() goes on after stop was set"

    def about(self, uid: str, *, since: int = 0) -> list[Change]:
        """Return the hints that ask to look at a guest, from the `since`-th hint on."""
        return [hint for hint in self.hints[since:] if hint.uid in {"", uid}]

    def _listen(self) -> None:
        try:
            for hint in self._driver.changes(self._stop):
                self.hints.append(hint)
        except Problem as problem:
            self.problem = problem


@contextmanager
def watching(driver: Driver, *, within: float) -> Iterator[Watch]:
    """Listen to a driver's hints; what happens inside the block happens after the first hint."""
    watch = Watch(driver)
    watch.start()
    try:
        eventually(lambda: watch.hints, within=within, what="the first hint, which asks to look at everything")
        yield watch
    finally:
        watch.end(within)
