"""What can be done to a life, and where: a point is (step, moment, kind).

A step is one execution of an activity in one life (`ensure_running#2`: the second one), or one fault point of the
driver inside it (`ensure_running#2/ensure_running.start`).
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, Self


class Moment(StrEnum):
    """When a step is struck."""

    BEFORE = "before"
    """Nothing has happened yet."""
    AFTER = "after"
    """The effect is there; nobody has heard of it."""
    ACKNOWLEDGED = "acknowledged"
    """The server has recorded the result."""


class Kind(StrEnum):
    """What strikes."""

    CRASH = "crash"
    """The step's worker is gone. Acknowledged: the workflow's worker is gone before it has seen the result."""
    ERROR = "error"
    """An activity fails every time it is tried, so that the VM is held up; a driver's step fails once."""
    TWICE = "twice"
    """The call is made twice: at once, one after the other, or again when the first is over and done with."""
    LOST = "lost"
    """The effect is there and the reply is lost, on its way to the worker or on its way to the server."""


class Level(StrEnum):
    """What sort of step it is."""

    STEP = "step"
    """An activity near the hypervisor."""
    ERRAND = "errand"
    """A local activity of a workflow."""
    INNER = "inner"
    """A fault point of the driver, inside an activity."""


class Place(NamedTuple):
    """Where a life comes by."""

    step: str
    moment: Moment
    level: Level


class Point(NamedTuple):
    """One thing to do to a life."""

    step: str
    moment: Moment
    kind: Kind

    def __str__(self) -> str:
        return f"{self.step}:{self.moment}:{self.kind}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the point its text names."""
        step, moment, kind = text.split(":")
        return cls(step, Moment(moment), Kind(kind))


_CRASH, _ERROR, _TWICE, _LOST = Kind

KINDS: dict[tuple[Level, Moment], tuple[Kind, ...]] = {
    (Level.STEP, Moment.BEFORE): (_CRASH, _ERROR, _TWICE),
    (Level.STEP, Moment.AFTER): (_CRASH, _LOST, _TWICE),
    (Level.STEP, Moment.ACKNOWLEDGED): (_CRASH, _LOST, _TWICE),
    (Level.ERRAND, Moment.BEFORE): (_CRASH, _ERROR, _TWICE),
    (Level.ERRAND, Moment.AFTER): (_CRASH, _LOST, _TWICE),
    (Level.ERRAND, Moment.ACKNOWLEDGED): (_CRASH, _TWICE),
    (Level.INNER, Moment.BEFORE): (_CRASH, _ERROR),
    (Level.INNER, Moment.AFTER): (_CRASH, _LOST),
}
"""What can happen where. A local activity's result and the progress of its workflow reach the server as one, so its
reply is lost on that way only with its worker."""


_LOCKED = {"remove_image"}
"""Activities that hold an image's lock at their inner steps."""


def needs_a_process(point: Point) -> bool:
    """Tell whether only a real process can be struck so: a thread goes on holding the lock that death lets go of."""
    activity, _, call = point.step.partition("/")
    return point.kind is Kind.CRASH and bool(call) and activity.partition("#")[0] in _LOCKED


def points(reached: Iterable[Place]) -> list[Point]:
    """Return every point of a life that came by these places, in its order."""
    return [Point(step, moment, kind) for step, moment, level in reached for kind in KINDS[level, moment]]
