"""The life cycle as a table: (goal, situation) → step.

The VM workflow asks `next_step` and performs what it says; nothing else decides. docs/architecture.md draws this table.
"""

from datetime import datetime
from enum import StrEnum

from domain.guest import GuestPlan, Power
from domain.hypervisor import Capacity
from domain.life import BOOT_PATIENCE, Life, whole_grace
from domain.machine import guest_plan
from domain.run_strategy import RunStrategy


class Goal(StrEnum):
    """What is wanted of a VM."""

    RUN = "Run"
    STOP = "Stop"
    GO = "Go"
    """Deleted: everything is given back and the life ends."""


class Situation(StrEnum):
    """Where a VM stands, as far as it is known."""

    NEW = "New"
    """Nobody is known to have been asked for anything. A claim may be on its way all the same: a step that was cut off
    with its worker leaves no trace here."""
    RELEASED = "Released"
    """Everything was given back."""
    UNPLACED = "Unplaced"
    """A zone was asked for room; none is known to be held."""
    PLACED = "Placed"
    """Room is held; the image is not known to be there."""
    READY = "Ready"
    """Room and image are there; the hypervisor has not been told anything."""
    STALE = "Stale"
    """Something may have changed since the last look."""
    IMAGELESS = "Imageless"
    """The hypervisor was told to build, and turned out not to have the image it was believed to have."""
    ABSENT = "Absent"
    OFF = "Off"
    RUNNING = "Running"
    PAUSED = "Paused"
    CUT_OFF = "CutOff"
    """An incarnation is there whose CPUs never moved: whoever powered it on was cut off."""
    DOOMED = "Doomed"
    """An incarnation runs that a restart must end."""
    ORDERED = "Ordered"
    """A live operation waits to be carried out on the running incarnation."""
    CRAMPED = "Cramped"
    """The room that is held is not the room that is needed, and the zone has not said no."""
    UNFIT = "Unfit"
    """The running incarnation is not what is declared, and nobody has tried to fit it."""


class Step(StrEnum):
    """What a VM does next. Each is idempotent, and one activity at most."""

    SURVEY = "Survey"
    """Learn which zones may be asked for room."""
    PLACE = "Place"
    IMPORT = "Import"
    DEFINE = "Define"
    RUN = "Run"
    OBSERVE = "Observe"
    STOP = "Stop"
    ORDER = "Order"
    """Carry a live operation out."""
    RECLAIM = "Reclaim"
    """Ask the zone for other room at the same hypervisor."""
    FIT = "Fit"
    REMOVE = "Remove"
    RELEASE = "Release"
    REST = "Rest"
    END = "End"


TABLE: dict[Goal, dict[Situation, Step]] = {
    Goal.RUN: {
        Situation.NEW: Step.SURVEY,
        Situation.RELEASED: Step.SURVEY,
        Situation.UNPLACED: Step.PLACE,
        Situation.PLACED: Step.IMPORT,
        Situation.READY: Step.RUN,
        Situation.STALE: Step.OBSERVE,
        Situation.IMAGELESS: Step.IMPORT,
        Situation.ABSENT: Step.RUN,
        Situation.OFF: Step.RUN,
        Situation.RUNNING: Step.REST,
        Situation.PAUSED: Step.REST,
        Situation.CUT_OFF: Step.RUN,
        Situation.DOOMED: Step.STOP,
        Situation.ORDERED: Step.ORDER,
        Situation.CRAMPED: Step.RECLAIM,
        Situation.UNFIT: Step.FIT,
    },
    Goal.STOP: {
        Situation.NEW: Step.SURVEY,
        Situation.RELEASED: Step.SURVEY,
        Situation.UNPLACED: Step.PLACE,
        Situation.PLACED: Step.IMPORT,
        Situation.READY: Step.DEFINE,
        Situation.STALE: Step.OBSERVE,
        Situation.IMAGELESS: Step.IMPORT,
        Situation.ABSENT: Step.DEFINE,
        Situation.OFF: Step.REST,
        Situation.RUNNING: Step.STOP,
        Situation.PAUSED: Step.STOP,
        Situation.CUT_OFF: Step.STOP,
        Situation.DOOMED: Step.STOP,
        Situation.ORDERED: Step.STOP,
        Situation.CRAMPED: Step.RECLAIM,
        Situation.UNFIT: Step.STOP,
    },
    Goal.GO: {
        Situation.NEW: Step.RELEASE,
        Situation.RELEASED: Step.END,
        Situation.UNPLACED: Step.RELEASE,
        Situation.PLACED: Step.RELEASE,
        Situation.READY: Step.RELEASE,
        Situation.STALE: Step.OBSERVE,
        Situation.IMAGELESS: Step.REMOVE,
        Situation.ABSENT: Step.REMOVE,
        Situation.OFF: Step.REMOVE,
        Situation.RUNNING: Step.STOP,
        Situation.PAUSED: Step.REMOVE,
        Situation.CUT_OFF: Step.REMOVE,
        Situation.DOOMED: Step.STOP,
        Situation.ORDERED: Step.STOP,
        Situation.CRAMPED: Step.OBSERVE,  # never met: no room is asked for what is to go
        Situation.UNFIT: Step.STOP,
    },
}

_TOUCHING = {Step.DEFINE, Step.RUN}
"""Steps after which the hypervisor may hold something."""

_CLAIMING = {Step.PLACE, Step.RECLAIM}
"""Steps after which a zone may hold another claim, or wait with one."""

_BY_POWER = {
    Power.ABSENT: Situation.ABSENT,
    Power.OFF: Situation.OFF,
    Power.RUNNING: Situation.RUNNING,
    Power.PAUSED: Situation.PAUSED,
}


def goal(life: Life) -> Goal:
    """Return what is wanted of a VM now."""
    if life.deleting:
        return Goal.GO
    if life.strategy is RunStrategy.ALWAYS or (life.strategy is not RunStrategy.HALTED and life.wanted):
        return Goal.RUN
    return Goal.STOP


def situation(life: Life) -> Situation:
    """Return where a VM stands. The rules are ordered: what was asked for later implies what was asked for before."""
    seen = life.observed
    rules = (
        (life.released, Situation.RELEASED),
        (not life.touched and not _cramped(life), _before_the_hypervisor(life)),
        (life.stale, Situation.STALE),
        (life.lost and seen.power is Power.ABSENT, Situation.IMAGELESS),
        (seen.alive and life.ending == seen.incarnation, Situation.DOOMED),
        (seen.alive and seen.cut_off, Situation.CUT_OFF),
        (seen.alive and bool(life.orders), Situation.ORDERED),
        (_cramped(life), Situation.CRAMPED),
        (fitting(life) not in {"", life.fitted}, Situation.UNFIT),
        (True, _BY_POWER[seen.power]),
    )
    return next(where for applies, where in rules if applies)


def plan(life: Life) -> GuestPlan:
    """Return what a driver must build: what is declared, as far as room was granted for it."""
    wanted = guest_plan(life.spec, life.uid, suffix=life.suffix)
    if life.granted is None:
        return wanted
    return wanted.model_copy(
        update={
            "cpus": min(wanted.cpus, life.granted.cpus),
            "memory": min(wanted.memory, life.granted.memory),
        },
    )


def room(life: Life) -> Capacity:
    """Return the room a VM needs: what is declared, and no less than what its running guest still has."""
    spec, shape = life.spec, life.observed.shape
    if shape is None:
        return Capacity(cpus=spec.cpus, memory=spec.memory)
    return Capacity(cpus=max(spec.cpus, shape.cpus), memory=max(spec.memory, shape.memory))


def fitting(life: Life) -> str:
    """Name what a running guest would have to be fitted to; empty when it fits, or cannot be fitted now."""
    return _misfit(life) if life.observed.power is Power.RUNNING else ""


def restart_required(life: Life) -> bool:
    """Return whether the living guest is not what is declared, and only a power-on can change that."""
    if not life.observed.alive:
        return False
    misfit = _misfit(life)
    return (misfit != "" and misfit == life.fitted) or life.observed.build not in {"", plan(life).build}


def next_step(life: Life) -> Step:
    """Return the step the table gives."""
    return TABLE[goal(life)][situation(life)]


def begun(life: Life, step: Step, now: datetime) -> Life:
    """Return a life in which a step may have had its effect, whatever becomes of it."""
    return life.but(
        asked_to_end=life.asked_to_end or (now if step is Step.STOP else None),
        touched=life.touched or step in _TOUCHING,
        claimed=room(life) if step in _CLAIMING else life.claimed,
    )


def held(life: Life, now: datetime) -> bool:
    """Return whether the next step must wait for its time or for a wake."""
    if life.hold is not None and (life.hold.until is None or life.hold.until > now):
        return True
    return backing_off(life, now)


def backing_off(life: Life, now: datetime) -> bool:
    """Return whether a guest that keeps ending is being left alone."""
    return life.again is not None and life.again > now and next_step(life) is Step.RUN


def tried_again(life: Life, now: datetime) -> datetime | None:
    """Return when a held step is tried again; None when only a wake or a request can do that."""
    if life.hold is not None and (life.hold.until is None or life.hold.until > now):
        return life.hold.until
    return life.again


def grace(life: Life, now: datetime) -> float:
    """Return the seconds the guest still gets to shut itself down; one whose CPUs stand still cannot, and gets none.

    One that was never seen up gets them as well: without an agent and an address of a lease, nobody can tell a guest
    that is still booting from one that has work to lose.
    """
    if life.observed.paused or life.observed.cut_off:
        return 0.0
    spent = (now - life.asked_to_end).total_seconds() if life.asked_to_end else 0.0
    return max(0.0, whole_grace(life) - spent)


def up(life: Life, now: datetime) -> bool:
    """Return whether the guest counts as running: it has shown itself, or had its time to."""
    patience_over = life.started is not None and now - life.started >= BOOT_PATIENCE
    return life.observed.booted or (life.observed.power is Power.RUNNING and patience_over)


def _misfit(life: Life) -> str:
    """Name a living guest whose shape is not its plan's, and the plan; empty when it fits, or nobody can say."""
    seen = life.observed
    if seen.shape is None or seen.shape == plan(life).shape:
        return ""
    granted = life.granted or room(life)
    return f"{seen.incarnation} {life.generation} {granted.cpus} {granted.memory}"


def _cramped(life: Life) -> bool:
    """Return whether the zone must be asked for other room. What is to go needs none.

    Also when it was asked for room that is not needed any more: it would wait for it, or may have granted it.
    """
    needed = room(life)
    told = life.claimed == needed and (life.granted == needed or bool(life.cramped))
    return life.granted is not None and not told and not life.deleting


def _before_the_hypervisor(life: Life) -> Situation:
    if life.image is not None:
        return Situation.READY
    if life.hypervisor:
        return Situation.PLACED
    return Situation.UNPLACED if life.asked else Situation.NEW
