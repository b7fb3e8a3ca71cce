"""The stage of one life: it knows where the life comes by, and strikes it where it was told to."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Protocol

from tests.crash.points import Kind, Level, Moment, Place, Point
from tests.crash.striking import Cue, Gone, Order, Sight

_REPETITIONS = {Moment.BEFORE: Order.RACE, Moment.AFTER: Order.AGAIN, Moment.ACKNOWLEDGED: Order.ECHO}
"""When a call is made for the second time: at once, when the first is over, or when the server has its result."""


class Role(StrEnum):
    """Which worker."""

    NEAR = "near"
    """The one at the hypervisor."""
    CENTRAL = "central"
    """The one that serves workflows."""


class Crash(Protocol):
    """Kills workers; replaces all dead ones unless told otherwise."""

    def __call__(self, *roles: Role, revive: bool = True) -> None: ...


class Gate:
    """Holds a life up until it is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()


class Stage:
    """One life's; `acknowledged` waits until the server has a result.

    Where the life comes by is recorded in `reached`: while `recording`, and not before it first comes by `since`, an
    activity or a call.
    """

    def __init__(
        self, strikes: Sequence[Point], crash: Crash, acknowledged: Callable[[Sight], Awaitable[None]]
    ) -> None:
        self._strikes = list(strikes)
        self.crash = crash
        self._acknowledged = acknowledged
        self._names: dict[tuple[str, str], str] = {}
        self._gates: dict[str, Gate] = {}
        self._repeating: dict[str, Point] = {}
        self._withholding: dict[str, tuple[Point, asyncio.Event]] = {}
        self._crashing: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()
        self.workflow = ""
        self.recording = True
        self.since = ""
        self.reached: dict[Place, None] = {}
        self.fired: list[Point] = []

    def gate(self, name: str) -> Gate:
        """Hold the life up at the first activity or call of this name."""
        return self._gates.setdefault(name, Gate())

    async def settled(self) -> bool:
        """Return whether nothing that was begun is still to come."""
        return not (self._repeating or self._withholding or [each for each in self._crashing if not each.done()])

    def end(self) -> None:
        """The VM is gone: an answer that is still withheld is lost for good, as nobody asks for it again."""
        for withheld, again in self._withholding.values():
            self.fired.append(withheld)
            again.set()
        self._withholding.clear()

    def close(self) -> None:
        """Let go of everything that is held up or was left behind: the life is over."""
        self._over.set()
        for gate in self._gates.values():
            gate.opened.set()
        for _, again in self._withholding.values():
            again.set()
        for task in self._crashing:
            task.cancel()

    async def reach(self, sight: Sight, cue: Cue) -> Order:
        """Tell a worker what happens to it here. Raises Gone, when all is over, in workers that are no more."""
        if sight.workflow != self.workflow and not sight.workflow.startswith("Image/"):
            return Order.GO
        step, level = self._step(sight)
        match cue:
            case Cue.BEFORE:
                await self._come(step, sight)
                return await self._strike(step, level, Moment.BEFORE, sight)
            case Cue.AFTER:
                return await self._strike(step, level, Moment.AFTER, sight)
            case Cue.REPEATED:
                self.fired.append(self._repeating.pop(step))
            case Cue.LATE if step in self._repeating:
                await self._acknowledged(sight)
            case Cue.LATE if step in self._withholding:
                await self._withholding[step][1].wait()
        return Order.GO

    def _step(self, sight: Sight) -> tuple[str, Level]:
        """Return the step's name: executions of an activity are numbered as they are first seen."""
        key = sight.run, sight.id
        if key not in self._names:
            number = sum(name.startswith(f"{sight.activity}#") for name in self._names.values()) + 1
            self._names[key] = f"{sight.activity}#{number}"
        if sight.call:
            return f"{self._names[key]}/{sight.call}", Level.INNER
        return self._names[key], Level.ERRAND if sight.local else Level.STEP

    async def _come(self, step: str, sight: Sight) -> None:
        if step in self._withholding:
            withheld, again = self._withholding.pop(step)
            self.fired.append(withheld)
            again.set()
        gate = self._gates.get(sight.call or sight.activity)
        if gate is not None:
            gate.reached.set()
            await gate.opened.wait()

    async def _strike(self, step: str, level: Level, moment: Moment, sight: Sight) -> Order:
        moments = [moment]
        if moment is Moment.AFTER and level is not Level.INNER:
            moments.append(Moment.ACKNOWLEDGED)
        if self.since in {sight.activity, sight.call}:
            self.since = ""
        for each in moments if self.recording and not self.since else ():
            self.reached.setdefault(Place(step, each, level))
        strike = next((each for each in self._strikes if each.step == step and each.moment in moments), None)
        if strike is None:
            return Order.GO
        if strike.kind is Kind.ERROR and level is not Level.INNER:
            self.fired += [] if strike in self.fired else [strike]
            return Order.FAIL  # whenever it is tried: its workflow is to hear of it
        self._strikes.remove(strike)
        if strike.kind is Kind.CRASH:
            return await self._die(strike, Role.CENTRAL if level is Level.ERRAND else Role.NEAR, sight)
        return self._order(strike)

    def _order(self, strike: Point) -> Order:
        """Return what the worker must do that is struck and lives."""
        match strike.kind, strike.moment:
            case Kind.TWICE, moment:
                self._repeating[strike.step] = strike
                return _REPETITIONS[moment]
            case Kind.LOST, Moment.ACKNOWLEDGED:
                self._withholding[strike.step] = strike, asyncio.Event()
                return Order.WITHHOLD
            case Kind.LOST, _:
                self.fired.append(strike)
                return Order.LOSE
        self.fired.append(strike)
        return Order.FAIL

    async def _die(self, strike: Point, role: Role, sight: Sight) -> Order:
        if strike.moment is Moment.ACKNOWLEDGED:
            if role is Role.NEAR:  # nobody is to see the result
                self.crash(Role.CENTRAL, revive=False)
            self._crashing.append(asyncio.create_task(self._die_later(strike, role, sight)))
            return Order.GO
        self.fired.append(strike)
        self.crash(role)
        await self._over.wait()
        raise Gone

    async def _die_later(self, strike: Point, role: Role, sight: Sight) -> None:
        await self._acknowledged(sight)
        self.fired.append(strike)
        self.crash(role)
