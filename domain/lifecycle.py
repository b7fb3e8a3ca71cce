"""The life cycle as a table: (goal, situation) → step.

The VM workflow asks `next_step` and performs what it says; nothing else decides. docs/architecture.md draws this table.
"""

from datetime import datetime
from enum import StrEnum

from domain.guest import Power
from domain.life import BOOT_PATIENCE, Life
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
    DOOMED = "Doomed"
    """An incarnation runs that a restart must end."""


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
        Situation.DOOMED: Step.STOP,
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
        Situation.DOOMED: Step.STOP,
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
        Situation.DOOMED: Step.STOP,
    },
}

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
    """Return where a VM stands. The order matters: what was asked for later implies what was asked for before."""
    if life.released:
        return Situation.RELEASED
    if not life.touched:
        return _before_the_hypervisor(life)
    if life.stale:
        return Situation.STALE
    if life.lost and life.observed.power is Power.ABSENT:
        return Situation.IMAGELESS
    if life.observed.alive and life.ending == life.observed.incarnation:
        return Situation.DOOMED
    return _BY_POWER[life.observed.power]


def next_step(life: Life) -> Step:
    """Return the step the table gives."""
    return TABLE[goal(life)][situation(life)]


def held(life: Life, now: datetime) -> bool:
    """Return whether the next step must wait for its time or for a wake."""
    return life.hold is not None and (life.hold.until is None or life.hold.until > now)


def grace(life: Life) -> float:
    """Return the seconds the guest gets to shut itself down; one that cannot hear yet, or is paused, gets none."""
    return life.spec.grace if life.observed.booted and not life.forced else 0.0


def up(life: Life, now: datetime) -> bool:
    """Return whether the guest counts as running: it has shown itself, or had its time to."""
    patience_over = life.started is not None and now - life.started >= BOOT_PATIENCE
    return life.observed.booted or (life.observed.power is Power.RUNNING and patience_over)


def _before_the_hypervisor(life: Life) -> Situation:
    if life.image is not None:
        return Situation.READY
    if life.hypervisor:
        return Situation.PLACED
    return Situation.UNPLACED if life.asked else Situation.NEW
