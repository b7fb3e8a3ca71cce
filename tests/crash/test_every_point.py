"""Whatever strikes a VM, wherever in its life, it comes to be what was asked for, and leaves nothing when it goes."""

import pytest

from tests.crash.conftest import Tell
from tests.crash.explorer import Explorer
from tests.crash.lives import ACTS, LIVES, OF_PROCESSES, RACES
from tests.crash.points import points
from tests.crash.telling import chosen

SHARE = 0.8
"""How many of the points of a race must be met when it is run again; those of any other life are met all."""


@pytest.mark.parametrize("life", LIVES)
async def test_a_life_goes_on_whatever_strikes_it(explorer: Explorer, tell: Tell, life: str) -> None:
    clean, *struck = await explorer.explore(life)
    met = [run for run in struck if not (run.missed and life in RACES)]
    tell([clean, *met])
    assert {point for run in met for point in run.fired} == {point for run in met for point in run.strikes}
    assert len(met) > SHARE * len(points(clean.reached)) > 0


@pytest.mark.skipif(chosen() is None, reason="shows one point again, which the environment names")
async def test_a_point_is_shown_again(explorer: Explorer, tell: Tell) -> None:
    again = chosen()
    assert again is not None
    life, strikes = again
    tell([await explorer.lead(life, *strikes)])


def test_every_act_is_explored_in_some_life() -> None:
    assert {act for life in [*LIVES.values(), *OF_PROCESSES.values()] for act in life.explored} == set(ACTS)
