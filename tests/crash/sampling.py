"""Which points to take when not all can be: by chance, by a seed that is told."""

import os
import random
from collections.abc import Mapping, Sequence

from tests.crash.points import Kind, Level, Moment, Place, Point, points

SEED = "CRASH_SEED"
"""Environment variable that names the seed; without it, every run takes other points."""

Clean = Mapping[str, Sequence[Place]]
"""The places of each life."""


def seed() -> int:
    """Return the seed of this run."""
    return int(os.environ.get(SEED) or random.SystemRandom().randrange(10**6))


def crashes(clean: Clean) -> list[tuple[str, Point]]:
    """Return every crash there is, with its life."""
    return [(life, point) for life, reached in clean.items() for point in points(reached) if point.kind is Kind.CRASH]


def pairs(reached: Sequence[Place]) -> list[tuple[Point, Point]]:
    """Return pairs of crashes of one life: in a later activity than the first crash, or in the same one tried again."""
    whole = [place.step for place in reached if place.level is not Level.INNER]
    order = list(dict.fromkeys(whole))
    struck = [point for point in points(reached) if point.kind is Kind.CRASH]

    def when(point: Point) -> int:
        return order.index(point.step.partition("/")[0])

    later = [(one, two) for one in struck for two in struck if when(one) < when(two)]
    again = [(point, point) for point in struck if point.step in whole and point.moment is not Moment.ACKNOWLEDGED]
    return later + again
