"""The pulse of an import: tells its caller how far it is, and ends it when the caller or the deadline says so."""

from collections import deque
from collections.abc import Callable
from time import monotonic

from domain.image import ImportProgress
from images.refusal import passing

Beat = Callable[[ImportProgress], None]
"""Called at least once a second with the current progress; raises to make the import stop promptly and cleanly."""

SLICE = 0.5
"""Seconds: the longest any step blocks before it ticks, and the shortest time between two beats."""
_WINDOW = 5.0
"""Seconds over which the rate is taken."""


class Pulse:
    """One import's progress. Every loop of the import ticks; ticks become beats at a bounded rate."""

    def __init__(self, beat: Beat, *, deadline: float) -> None:
        self._beat = beat
        self._ends = monotonic() + deadline
        self._next = 0.0
        self._stage = ""
        self._done = self._total = self._moved = 0
        self._marks: deque[tuple[float, int]] = deque()

    def begin(self, stage: str, *, done: int = 0, total: int = 0) -> None:
        """Enter a stage and beat at once."""
        self._stage, self._done, self._total, self._moved, self._next = stage, done, total, 0, 0.0
        self._marks.clear()
        self.tick()

    def move(self, count: int) -> None:
        """Count bytes that went through, for the rate."""
        self._moved += count
        self.tick()

    def reach(self, done: int) -> None:
        """Say how many bytes are done for good."""
        self._done = done
        self.tick()

    def tick(self) -> None:
        """Beat if one is due.

        Raises whatever the beat raises; Problem.retry `ImageDeadlineExceeded` when the attempt has had its time.
        """
        now = monotonic()
        if now >= self._ends:
            raise passing("ImageDeadlineExceeded", "the import took too long; it goes on from what was fetched")
        if now >= self._next:
            self._next = now + SLICE
            rate = self._rate(now)
            self._beat(ImportProgress(stage=self._stage, done=self._done, total=self._total, rate=rate))

    def _rate(self, now: float) -> float:
        self._marks.append((now, self._moved))
        while now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()
        since, moved = self._marks[0]
        return (self._moved - moved) / (now - since) if now > since else 0.0
