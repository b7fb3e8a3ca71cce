"""The same with real processes that are killed with SIGKILL: a sample of the crashes, and a worker in mid-import."""

import asyncio
import random
from collections.abc import Callable

from tests.crash.conftest import Explorers, Tell
from tests.crash.killed import Killed
from tests.crash.lives import LIVES, OF_PROCESSES
from tests.crash.sampling import SEED, crashes, seed

SAMPLE = 32
"""Crashes that are tried."""

PROCESSES = 4
"""Installations at once, of two workers each."""


async def test_a_life_goes_on_when_its_worker_is_killed(
    explorers: Explorers, tell: Tell, figure: Callable[[str], None]
) -> None:
    chance = seed()
    figure(f"{SEED}={chance}")
    played = explorers()
    clean = await asyncio.gather(*(played.lead(life) for life in LIVES))
    explorer = explorers(Killed, at_once=PROCESSES)
    sample = random.Random(chance).sample(
        [(run.life, point) for run in clean for point in crashes(run.reached)], SAMPLE
    )
    tell(await asyncio.gather(*(explorer.lead(life, point) for life, point in sample)))


async def test_an_import_goes_on_when_its_worker_is_killed(explorers: Explorers, tell: Tell) -> None:
    explorer = explorers(Killed, at_once=PROCESSES)
    tell(await asyncio.gather(*(explorer.lead(life) for life in OF_PROCESSES)))
