"""Calls of a simulated hypervisor that hang, and ways to see that they were made."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind, Moment
from tests.world import eventually


@asynccontextmanager
async def hanging(control: Control, call: str, moment: Moment = Moment.BEFORE) -> AsyncIterator[int]:
    """Let a call of the driver hang from its first time on until the block ends; gives the number of the rule."""
    rule = control.faults.inject(Fault(call=call, kind=Kind.HANG, moment=moment, times=None))
    try:
        yield rule
    finally:
        control.faults.withdraw(rule)


async def struck(control: Control, rule: int) -> None:
    """Wait until a rule has struck."""

    async def fired() -> bool:
        return bool(control.faults.firings(rule))

    await eventually(fired)


def witnessed(control: Control, call: str) -> int:
    """Have every call recorded from now on; return the rule that `times` counts by."""
    return control.faults.inject(Fault(call=call, kind=Kind.WITNESS, times=None))


def orders(control: Control, rule: int) -> list[str]:
    """Return the calls a rule recorded that change something. A look is none: news of a guest may come late."""
    return [each.call for each in control.faults.firings(rule) if each.call.startswith("ensure_")]


def times(control: Control, rule: int) -> int:
    """Return how often a rule has struck."""
    return len(control.faults.firings(rule))
