"""Two crashes in one life, the second one also in what the first one made necessary."""

import asyncio
import random
from collections.abc import Callable

from tests.crash.conftest import Tell
from tests.crash.explorer import Explorer
from tests.crash.lives import LIVES
from tests.crash.sampling import SEED, pairs, seed

OF_A_LIFE = 4
"""Pairs that are tried of each life."""


async def test_a_life_goes_on_after_two_crashes(explorer: Explorer, tell: Tell, figure: Callable[[str], None]) -> None:
    chance = seed()
    figure(f"{SEED}={chance}")
    clean = await asyncio.gather(*(explorer.lead(life) for life in LIVES))
    tell(clean)
    drawn = random.Random(chance)
    candidates = [(run.life, pairs(run.reached)) for run in clean]
    chosen = [(life, pair) for life, some in candidates for pair in drawn.sample(some, min(OF_A_LIFE, len(some)))]
    runs = await asyncio.gather(*(explorer.lead(life, *pair) for life, pair in chosen))
    twice = [run for run in runs if not run.diverted]
    tell(twice)
    assert len(twice) > len(runs) // 2
