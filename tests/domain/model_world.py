"""A world small enough to explore: one zone, one hypervisor, one image, and the loop that performs a life's steps.

The loop does what workflows/virtual_machine.py does, and each step has the outcome workflows/steps.py gives it; both
without Temporal, so that thousands of lives can be lived in a second.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from domain.guest import absent
from domain.hypervisor import Capacity
from domain.life import Hold, Life, Wake, learned, woken
from domain.lifecycle import (
    Goal,
    Step,
    backing_off,
    begun,
    fitting,
    goal,
    grace,
    held,
    next_step,
    plan,
    room,
    tried_again,
)
from domain.names import LONGEST_SUFFIX
from domain.placement import Claim, Ledger, Member, join, place, release
from domain.problem import Problem, Verdict
from domain.status import Reason
from tests.domain.examples import IMAGE, NOW, UID
from tests.domain.model_host import Host
from workflows.trouble import timed

Learn = Callable[[Life], Life]

ROOM = Capacity(cpus=64, memory=2**44)
"""More than any VM here asks for."""

AT_THE_HOST = {Step.DEFINE, Step.RUN, Step.OBSERVE, Step.STOP, Step.ORDER, Step.FIT, Step.REMOVE}
HOT = 32
"""So many steps, one after the other, are no way to rest."""


@dataclass
class World:
    """Everything outside the VM."""

    host: Host = field(default_factory=Host)
    ledger: Ledger = field(default_factory=lambda: join(Ledger(), "h1", Member(capacity=ROOM)))
    wanted_image: bool = False
    now: datetime = NOW

    def open(self, *, ready: bool, size: Capacity = ROOM) -> None:
        self.ledger = join(self.ledger, "h1", Member(capacity=size, ready=ready))

    def mend(self) -> None:
        """Take away whatever stands in a life's way."""
        self.open(ready=True)
        self.host.cached, self.host.reachable, self.host.taken = True, True, frozenset()

    @property
    def empty(self) -> bool:
        held_room = self.ledger.placed or self.ledger.waiting
        return self.host.seen() == absent(UID) and not self.host.disk and not held_room and not self.wanted_image


@dataclass
class Flight:
    """A step that is being performed: what it is told, what it serves, and what comes of it."""

    step: Step
    life: Life
    aim: tuple[Goal, str, float | None]
    outcome: Learn | Problem


@dataclass
class Vm:
    """A life, the step in flight, and the wakes that came meanwhile."""

    life: Life
    world: World
    flight: Flight | None = None
    wakes: frozenset[Wake] = frozenset()

    def twin(self) -> "Vm":
        """Return this VM in a world of its own; what happens to one does not happen to the other."""
        return replace(self, world=replace(self.world, host=copy(self.world.host)), flight=copy(self.flight))

    def aim(self) -> tuple[Goal, str, float | None]:
        return goal(self.life), self.life.ending, self.life.grace

    def wake(self, about: Wake) -> None:
        self.life, self.wakes = woken(self.life, about), self.wakes | {about}

    def begin(self) -> Step:
        """Perform a step's effect; what it learns is still on its way."""
        step = next_step(self.life)
        self.wakes = frozenset()
        self.life = begun(self.life, step, self.world.now)
        self.flight = Flight(step, self.life, self.aim(), _outcome(step, self.life, self.world))
        return step

    def repeat(self) -> None:
        """Perform the step in flight once more: its worker died before it could tell."""
        if self.flight:
            self.flight.outcome = _outcome(self.flight.step, self.flight.life, self.world)

    def finish(self) -> None:
        """Let what a step learned arrive, whatever is wanted by now."""
        if self.flight is None:
            return
        if isinstance(self.flight.outcome, Problem):
            self._fail(self.flight, self.flight.outcome)
        else:
            self.life = self.flight.outcome(self.life)
        self._over()

    def drop(self) -> None:
        """Lose what a step learned: something else is wanted by now, or nobody could tell."""
        if self.flight is not None:
            self._fail(self.flight, Problem.retry("StepFailed", "the reply was lost"))
            self._over()

    def _fail(self, flight: Flight, problem: Problem) -> None:
        if self.aim() == flight.aim:
            hold = Hold(reason=problem.reason, message=problem.message, verdict=problem.verdict)
            self.life = self.life.but(hold=timed(hold, self.life.hold, self.world.now))
        else:
            self.life = self.life.but(stale=self.life.touched)

    def _over(self) -> None:
        self.flight = None
        for about in sorted(self.wakes):
            self.life = woken(self.life, about)

    def go_on(self, *, waits: int) -> Step:
        """Perform steps until there is none or so many waits are over; return the step that is left.

        A life that neither rests nor waits for its time is one that spins: an AssertionError.
        """
        self.finish()
        for _ in range(waits + 1):
            for _ in range(HOT):
                step = next_step(self.life)
                if step in {Step.REST, Step.END} or held(self.life, self.world.now):
                    break
                self.begin()
                self.finish()
            else:
                raise AssertionError(f"no rest after {HOT} steps; next would be {next_step(self.life)}: {self.life}")
            again = tried_again(self.life, self.world.now)
            if step in {Step.REST, Step.END} or again is None:
                break
            self._wait(again)
        return step

    def settle(self) -> Step:
        """Return REST or END, reached once nothing in the world stands in the way and everybody was told so."""
        self.world.mend()
        for about in (Wake.LOST, Wake.GUEST, Wake.IMAGE, Wake.ROOM):
            self.wake(about)
        step = self.go_on(waits=1)
        assert step in {Step.REST, Step.END}, f"{step} is left: {self.life}"
        return step

    def _wait(self, until: datetime) -> None:
        if backing_off(self.life, self.world.now):
            longest = timedelta(seconds=self.life.backoff.cap * 1.1)
            assert until - self.world.now <= longest
        self.world.now = max(until, self.world.now)


def _outcome(step: Step, life: Life, world: World) -> Learn | Problem:
    if step in AT_THE_HOST and not world.host.reachable:
        return Problem.retry(Reason.HYPERVISOR_UNREACHABLE, "no route")
    try:
        return STEPS[step](life, world)
    except Problem as problem:
        return problem


def _survey(life: Life, world: World) -> Learn:
    return lambda now: now.but(asked=("z1",))


def _place(life: Life, world: World) -> Learn:
    claim = Claim(uid=UID, vm="vm", size=room(life))
    world.ledger, answer = place(world.ledger, claim)
    if answer.hypervisor:
        return lambda now: now.but(
            zone="z1", hypervisor=answer.hypervisor, granted=answer.size or claim.size, hold=None
        )
    return _held(world, Hold(reason=Reason.UNSCHEDULABLE, message=answer.message, verdict=Verdict.WAIT))


def _reclaim(life: Life, world: World) -> Learn:
    claim = Claim(uid=UID, vm="vm", size=room(life))
    world.ledger, answer = place(world.ledger, claim)
    if answer.hypervisor == life.hypervisor and answer.size == claim.size:
        return lambda now: now.but(granted=claim.size, hold=None)
    why = answer.message or f"{life.zone} holds its room at {answer.hypervisor}"
    return lambda now: now.but(cramped=why, hold=None)


def _import(life: Life, world: World) -> Learn:
    if world.host.cached and not life.lost:
        return lambda now: now.but(image=IMAGE, lost=False, hold=None)
    world.wanted_image = True
    return _held(world, Hold(reason=Reason.IMPORTING, message="not yet", verdict=Verdict.WAIT))


def _define(life: Life, world: World) -> Learn:
    return _build(life, world, lambda: world.host.ensure_defined(plan(life), fresh=not life.provisioned))


def _run(life: Life, world: World) -> Learn:
    fresh = not life.provisioned
    return _build(life, world, lambda: world.host.ensure_running(plan(life), fresh=fresh, start=life.start))


def _build(life: Life, world: World, build: Callable[[], None]) -> Learn:
    try:
        build()
    except Problem as problem:
        if problem.reason == "ImageMissing" and not life.provisioned:
            return lambda now: now.but(lost=True)
        if problem.reason == "DomainNameTaken" and not life.provisioned and life.suffix < LONGEST_SUFFIX:
            return lambda now: now.but(suffix=life.suffix + 1)
        raise
    return _learns(world)


def _stop(life: Life, world: World) -> Learn:
    world.host.ensure_stopped(incarnation=life.observed.incarnation, grace=grace(life, NOW))
    return _learns(world)


def _order(life: Life, world: World) -> Learn:
    first = life.orders[0]
    world.host.ensure_ordered(first.operation, first.request, first.incarnation)
    seen, now = world.host.seen(), world.now
    return lambda life: learned(
        life.but(orders=tuple(each for each in life.orders if each.request != first.request)), seen, now
    )


def _fit(life: Life, world: World) -> Learn:
    tried = fitting(life)
    world.host.ensure_fitted(plan(life), incarnation=life.observed.incarnation)
    seen, now = world.host.seen(), world.now
    return lambda life: learned(life.but(fitted=tried), seen, now)


def _remove(life: Life, world: World) -> Learn:
    world.host.ensure_removed()
    return lambda now: now.but(
        observed=absent(UID), touched=False, stale=False, adrift=False, provisioned=False, hold=None
    )


def _release(life: Life, world: World) -> Learn:
    world.ledger, world.wanted_image = release(world.ledger, UID), False
    return lambda now: now.but(asked=(), zone="", hypervisor="", granted=None, image=None, released=True)


def _learns(world: World) -> Learn:
    seen, now = world.host.seen(), world.now
    return lambda life: learned(life, seen, now)


def _held(world: World, hold: Hold) -> Learn:
    return lambda life: life.but(hold=timed(hold, life.hold, world.now))


STEPS: dict[Step, Callable[[Life, World], Learn]] = {
    Step.SURVEY: _survey,
    Step.PLACE: _place,
    Step.IMPORT: _import,
    Step.DEFINE: _define,
    Step.RUN: _run,
    Step.OBSERVE: lambda life, world: _learns(world),
    Step.STOP: _stop,
    Step.ORDER: _order,
    Step.RECLAIM: _reclaim,
    Step.FIT: _fit,
    Step.REMOVE: _remove,
    Step.RELEASE: _release,
}
