"""Which points to take when not all can be: by chance, by a seed that is told."""

import os
import random
from collections.abc import Sequence

from tests.crash.points import Kind, Level, Moment, Place, Point, points

SEED = "CRASH_SEED"
"""Environment variable that names the seed; without it, every run takes other points."""


def seed() -> int:
    """Return the seed of this run."""
    return int(os.environ.get(SEED) or random.SystemRandom().randrange(10**6))


def crashes(reached: Sequence[Place]) -> list[Point]:
    """Return every crash of one life."""
    return [point for point in points(reached) if point.kind is Kind.CRASH]


def pairs(reached: Sequence[Place]) -> list[tuple[Point, Point]]:
    """Return pairs of crashes of one life: in a later activity than the first crash, or in the same one tried again."""
    whole = [place.step for place in reached if place.level is not Level.INNER]
    order = list(dict.fromkeys(whole))
    struck = crashes(reached)

    def when(point: Point) -> int:
        return order.index(point.step.partition("/")[0])

    later = [(one, two) for one in struck for two in struck if when(one) < when(two)]
    again = [(point, point) for point in struck if point.step in whole and point.moment is not Moment.ACKNOWLEDGED]
    return later + again
