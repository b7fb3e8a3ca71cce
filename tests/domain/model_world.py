"""A world small enough to explore: one zone, one hypervisor, one image, and the loop that performs a life's steps.

The loop does what workflows/virtual_machine.py does, and each step has the outcome workflows/steps.py gives it; both
without Temporal, so that thousands of lives can be lived in a second.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field

from domain.guest import GuestInfo, Observation, Power, StopCause, absent
from domain.hypervisor import Capacity
from domain.life import Hold, Life, Wake, learned, woken
from domain.lifecycle import Goal, Step, goal, grace, held, next_step
from domain.placement import Claim, Ledger, Member, join, place, release
from domain.problem import Verdict
from domain.status import Reason
from tests.domain.examples import IMAGE, NOW, UID

Learn = Callable[[Life], Life]

TOUCHING = {Step.DEFINE, Step.RUN}
ROOM = Capacity(cpus=8, memory=2**40)


@dataclass
class World:
    """Everything outside the VM. began: power-ons so far; ends: ends nobody asked for so far."""

    ledger: Ledger = field(default_factory=lambda: join(Ledger(), "h1", Member(capacity=ROOM)))
    cached: bool = True
    wanted_image: bool = False
    power: Power = Power.ABSENT
    cause: StopCause = StopCause.UNKNOWN
    began: int = 0
    ends: int = 0
    stubborn: bool = False

    def open(self, *, ready: bool) -> None:
        self.ledger = join(self.ledger, "h1", Member(capacity=ROOM, ready=ready))

    @property
    def alive(self) -> bool:
        return self.power in {Power.RUNNING, Power.PAUSED}

    @property
    def incarnation(self) -> str:
        return f"i{self.began}" if self.alive else ""

    def power_on(self) -> None:
        self.power, self.began = Power.RUNNING, self.began + 1

    def end(self, cause: StopCause, power: Power = Power.OFF) -> None:
        self.power, self.cause = power, cause

    def seen(self) -> Observation:
        if self.power is Power.ABSENT:
            return absent(UID)
        cause = StopCause.UNKNOWN if self.alive else self.cause
        info = GuestInfo(agent=self.power is Power.RUNNING)
        return Observation(uid=UID, power=self.power, incarnation=self.incarnation, cause=cause, guest=info)

    @property
    def empty(self) -> bool:
        held_room = self.ledger.placed or self.ledger.waiting
        return self.power is Power.ABSENT and not held_room and not self.wanted_image


@dataclass
class Flight:
    """A step that is being performed: what it serves, what will be learned, and how many ends it has seen."""

    aim: tuple[Goal, str, bool]
    learn: Learn
    ends: int


@dataclass
class Vm:
    """A life and the step in flight. ends: how many ends nobody asked for the life may have heard of."""

    life: Life
    world: World
    flight: Flight | None = None
    ends: int = 0

    def twin(self) -> "Vm":
        """Return this VM in a world of its own; what happens to one does not happen to the other."""
        return Vm(life=self.life, world=copy(self.world), flight=self.flight, ends=self.ends)

    def aim(self) -> tuple[Goal, str, bool]:
        return goal(self.life), self.life.ending, self.life.forced

    def begin(self) -> Step:
        """Perform a step's effect; what it learns is still on its way."""
        step = next_step(self.life)
        self.life = self.life.but(touched=self.life.touched or step in TOUCHING)
        aim = self.aim()
        self.flight = Flight(aim, STEPS[step](self.life, self.world), self.world.ends)
        return step

    def finish(self) -> None:
        """Let what a step learned arrive, whatever is wanted by now."""
        if self.flight:
            self.life, self.ends, self.flight = self.flight.learn(self.life), self.flight.ends, None

    def drop(self) -> None:
        """Lose what a step learned: something else is wanted by now, or the step failed."""
        if self.flight and self.aim() == self.flight.aim:
            self.life = self.life.but(hold=Hold(reason="StepFailed", message="the reply was lost"))
        elif self.flight:
            self.life = self.life.but(stale=self.life.touched)
        self.flight = None

    def settle(self, bound: int = 12) -> Step:
        """Return REST or END, reached in at most so many steps once nothing in the world stands in the way."""
        self.world.open(ready=True)
        for wake in Wake:
            self.life = woken(self.life, wake)
        for _ in range(bound):
            if next_step(self.life) in {Step.REST, Step.END}:
                return next_step(self.life)
            self.begin()
            self.finish()
            if held(self.life, NOW):
                self.world.cached = True
                self.life = woken(self.life, Wake.IMAGE)
        raise AssertionError(f"no rest after {bound} steps; next would be {next_step(self.life)}")


def _survey(life: Life, world: World) -> Learn:
    return lambda now: now.but(asked=("z1",))


def _place(life: Life, world: World) -> Learn:
    size = Capacity(cpus=life.spec.cpus, memory=life.spec.memory)
    world.ledger, answer = place(world.ledger, Claim(uid=UID, vm="vm", size=size))
    if answer.hypervisor:
        return lambda now: now.but(zone="z1", hypervisor=answer.hypervisor, hold=None)
    return _waits(Reason.UNSCHEDULABLE)


def _import(life: Life, world: World) -> Learn:
    if world.cached and not life.lost:
        return lambda now: now.but(image=IMAGE, lost=False, hold=None)
    world.wanted_image = True
    return _waits(Reason.IMPORTING)


def _build(life: Life, world: World) -> Learn:
    if world.power is Power.ABSENT and not world.cached and not life.provisioned:
        return lambda now: now.but(lost=True)
    if world.power is Power.ABSENT:
        world.end(StopCause.UNKNOWN)
    return _learns(world)


def _run(life: Life, world: World) -> Learn:
    learn = _build(life, world)
    if world.power is Power.OFF:
        world.power_on()
        return _learns(world)
    return learn


def _observe(life: Life, world: World) -> Learn:
    return _learns(world)


def _stop(life: Life, world: World) -> Learn:
    if world.alive and world.incarnation == life.observed.incarnation:
        world.end(StopCause.GUEST if grace(life) and not world.stubborn else StopCause.HOST)
    return _learns(world)


def _remove(life: Life, world: World) -> Learn:
    world.end(StopCause.UNKNOWN, Power.ABSENT)
    return lambda now: now.but(observed=absent(UID), touched=False, stale=False, provisioned=False, hold=None)


def _release(life: Life, world: World) -> Learn:
    world.ledger, world.wanted_image = release(world.ledger, UID), False
    return lambda now: now.but(asked=(), zone="", hypervisor="", image=None, released=True)


def _learns(world: World) -> Learn:
    seen = world.seen()
    return lambda life: learned(life, seen, NOW)


def _waits(reason: Reason) -> Learn:
    return lambda life: life.but(hold=Hold(reason=reason, message="not yet", verdict=Verdict.WAIT))


STEPS: dict[Step, Callable[[Life, World], Learn]] = {
    Step.SURVEY: _survey,
    Step.PLACE: _place,
    Step.IMPORT: _import,
    Step.DEFINE: _build,
    Step.RUN: _run,
    Step.OBSERVE: _observe,
    Step.STOP: _stop,
    Step.REMOVE: _remove,
    Step.RELEASE: _release,
}
