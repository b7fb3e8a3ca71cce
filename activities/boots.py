"""Guests that have just been powered on: looked at without a hint, ever less often, until they are up or stay silent.

A guest that is up, or known to be silent, costs nothing from then on: its hypervisor hints when something changes.
"""

import time
from dataclasses import dataclass

from activities.told import News
from domain.boot import BootProgress
from domain.guest import Observation, Power
from domain.life import BOOT_PATIENCE

TICK = 1.0
"""Seconds between looks at a guest that has just been powered on."""

SLOWEST = 30.0
"""Seconds between looks at one that takes long."""

SLOWING = 0.1
"""By which share of a boot's age its next look is put off."""

SETTLE = 15.0
"""Seconds a guest gets between its first sign of life and the wake, so that agent and address make one wake."""

SHOWN = 500
"""How many boots are shown at most: a heartbeat must stay small."""


@dataclass
class _Boot:
    """One incarnation that boots. Times are of the monotonic clock.

    due:       when to look again.
    gentle:    since when half a sign of life waits for the other half.
    progress:  what is shown of it; None before the first look at its console.
    """

    incarnation: str
    since: float
    due: float
    gentle: float | None = None
    progress: BootProgress | None = None

    @property
    def over(self) -> bool:
        """Whether patience is."""
        return time.monotonic() - self.since >= BOOT_PATIENCE.total_seconds()


class Boots:
    """The guests of one hypervisor that boot, by UID."""

    def __init__(self) -> None:
        self._boots: dict[str, _Boot] = {}
        self._settled: dict[str, str] = {}

    @property
    def next_look(self) -> float | None:
        """When the next look is due, by the monotonic clock; None when nothing boots."""
        return min((boot.due for boot in self._boots.values()), default=None)

    @property
    def shown(self) -> dict[str, BootProgress]:
        """How far the youngest guests are, from power-on until cloud-init says that it has finished, or time is up."""
        youngest = sorted(self._boots.items(), key=lambda each: each[1].since, reverse=True)[:SHOWN]
        return {uid: boot.progress for uid, boot in youngest if boot.progress}

    def due(self) -> set[str]:
        """Return the guests to be looked at now."""
        now = time.monotonic()
        return {uid for uid, boot in self._boots.items() if boot.due <= now}

    def settle(self, uid: str, incarnation: str) -> None:
        """Learn that an incarnation's VM knows it to be up, or to be silent."""
        self._settled[uid] = incarnation

    def see(self, seen: Observation, news: News, progress: BootProgress | None) -> bool:
        """Take a look into account; return whether its VM must be woken now.

        Gentle news waits for its other half, but not for ever. When patience ends, a VM whose guest has shown nothing
        is woken to say so: it has no clock of its own.
        """
        if seen.power is not Power.RUNNING:
            self._boots.pop(seen.uid, None)
            self._settled.pop(seen.uid, None)
            return news is not News.NONE
        boot = self._boot(seen)
        boot.progress = progress
        silent = boot.over and not seen.booted and self._settled.get(seen.uid) != seen.incarnation
        wake = _ripe(boot, seen, news) or silent
        if not self._goes_on(boot, seen):
            self._boots.pop(seen.uid, None)
            self._settled[seen.uid] = seen.incarnation
        else:
            self._boots[seen.uid] = boot
            boot.due = _next(boot)
        return wake

    def watched(self, seen: Observation) -> bool:
        """Return whether an incarnation's console is worth a look: it boots, as far as anybody knows."""
        return seen.power is Power.RUNNING and self._settled.get(seen.uid) != seen.incarnation

    def _boot(self, seen: Observation) -> _Boot:
        known = self._boots.get(seen.uid)
        if known is not None and known.incarnation == seen.incarnation:
            return known
        now = time.monotonic()
        return _Boot(incarnation=seen.incarnation, since=now, due=now)

    def _goes_on(self, boot: _Boot, seen: Observation) -> bool:
        """Return whether to look again without a hint."""
        if boot.gentle is not None:
            return True
        if boot.over or self._settled.get(seen.uid) == seen.incarnation:
            return False
        return not seen.guest.agent or boot.progress is None or not boot.progress.finished


def _ripe(boot: _Boot, seen: Observation, news: News) -> bool:
    if news is not News.GENTLE:
        boot.gentle = None
        return news is News.URGENT
    now = time.monotonic()
    boot.gentle = now if boot.gentle is None else boot.gentle
    whole = seen.guest.agent and bool(seen.guest.addresses)
    if not whole and now - boot.gentle < SETTLE:
        return False
    boot.gentle = None
    return True


def _next(boot: _Boot) -> float:
    """Return when to look again: soon after the power-on, seldom later, and when a wait of the boot's ends."""
    now = time.monotonic()
    pace = min(max(TICK, SLOWING * (now - boot.since)), SLOWEST)
    patience = boot.since + BOOT_PATIENCE.total_seconds()
    ends = [patience] if boot.gentle is None else [patience, boot.gentle + SETTLE]
    return min([now + pace, *(end for end in ends if end > now)])
