"""How much one client, and all of them together, may ask for at a time. What is beyond is answered 429, and cheaply.

Long requests (watches, consoles) are counted apart: they cost little and last long.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.refusals import too_many


@dataclass(frozen=True)
class Limits:
    """The numbers.

    at_once:  requests served at the same time, of everybody.
    waiting:  long ones of everybody; share: of one account.
    rate:     requests a second of one account, after a burst; strangers: the same of one address that nobody knows.
    """

    at_once: int = 400
    waiting: int = 2_000
    share: int = 500
    rate: float = 200.0
    burst: float = 400.0
    strangers_rate: float = 10.0
    strangers_burst: float = 50.0


REMEMBERED = 10_000
"""Accounts and addresses whose rates are known."""


class Allowance:
    """A token bucket for each name: filled with `rate` a second up to `burst`, emptied by one for each request."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> None:
        """Count a request; Refusal 429 when there were too many."""
        now = self._clock()
        left, at = self._left.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        self._left[name] = (left - 1 if left >= 1 else left, now)
        while len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        if left < 1:
            raise too_many()


class Concurrency:
    """Things that happen at the same time: at most so many, and of one name's at most its share."""

    def __init__(self, most: int, share: int | None = None) -> None:
        self._most = most
        self._share = most if share is None else share
        self._by = Counter[str]()

    @property
    def now(self) -> int:
        """How many there are."""
        return self._by.total()

    def check(self, name: str = "") -> None:
        """Refuse one more with 429 when there are too many."""
        if self.now >= self._most or self._by[name] >= self._share:
            raise too_many()

    @contextmanager
    def one(self, name: str = "") -> Iterator[None]:
        """Count one meanwhile, whether or not there are too many."""
        self._by[name] += 1
        try:
            yield
        finally:
            self._by[name] -= 1
            if not self._by[name]:
                del self._by[name]
