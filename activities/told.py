"""What each VM has been told about its guest, so that a wake is sent only when there is news."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from domain.guest import Observation, Power


class News(IntEnum):
    """How urgent it is to tell a VM about its guest."""

    NONE = 0
    GENTLE = 1
    """The guest tells more about itself: its agent or an address came or went."""
    URGENT = 2
    """The guest's power changed, or another incarnation runs."""


class Told:
    """Shared by the activities of one hypervisor: steps report what they return, the watch asks what is news.

    Lost with the process; then everything counts as news once, and the VMs look for themselves.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, Observation] = {}
        self._owners: dict[str, str] = {}
        self._busy: dict[str, int] = {}

    @contextmanager
    def telling(self, uid: str) -> Iterator[None]:
        """Mark a guest as being worked on: its VM learns the outcome from the step, not from a wake."""
        with self._lock:
            self._busy[uid] = self._busy.get(uid, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[uid] -= 1
                if not self._busy[uid]:
                    del self._busy[uid]

    def tell(self, seen: Observation) -> Observation:
        """Record that the VM learns this; return it."""
        with self._lock:
            self._told[seen.uid] = seen
            self._owners[seen.uid] = seen.owner or self._owners.get(seen.uid, "")
        return seen

    def assume(self, published: Observation) -> None:
        """Take what a VM publishes for what it was told, unless something newer is known."""
        with self._lock:
            self._told.setdefault(published.uid, published)
            self._owners[published.uid] = published.owner

    def owner(self, seen: Observation) -> str:
        """Return whose guest this is (`<namespace>/<name>`), also when it is absent; empty when nobody knows."""
        with self._lock:
            return seen.owner or self._owners.get(seen.uid, "")

    def busy(self, uid: str) -> bool:
        """Return whether a step is working on the guest now."""
        with self._lock:
            return uid in self._busy

    def news(self, seen: Observation) -> News:
        """Return how urgently the VM must be told this. That what nobody knew of is absent is no news."""
        with self._lock:
            told = self._told.get(seen.uid)
        if told is None and seen.power is Power.ABSENT:
            return News.NONE
        if told is None or (told.power, told.incarnation) != (seen.power, seen.incarnation):
            return News.URGENT
        return News.NONE if told.guest == seen.guest else News.GENTLE

    def forget(self, uid: str) -> None:
        """Drop a guest that is gone."""
        with self._lock:
            self._told.pop(uid, None)
            self._owners.pop(uid, None)
