"""How long a guest that keeps ending is left alone."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.backoff import JITTER, Backoff, delay
from tests.domain.examples import UID

DEFAULTS = Backoff()
backoffs = st.builds(
    Backoff,
    first=st.floats(0.01, 1e4),
    factor=st.floats(1, 10),
    cap=st.floats(0.01, 1e6),
    healthy=st.floats(0.01, 1e6),
)


def test_the_delays_are_the_kubelets() -> None:
    assert (DEFAULTS.first, DEFAULTS.factor, DEFAULTS.cap, DEFAULTS.healthy) == (10, 2, 300, 600)


@given(backoffs, st.uuids().map(str))
def test_the_first_restart_comes_at_once(backoff: Backoff, uid: str) -> None:
    assert delay(backoff, 1, uid) == timedelta()


@pytest.mark.parametrize(("ends", "seconds"), [(2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 300), (100, 300)])
def test_each_further_restart_waits_twice_as_long_up_to_the_cap(ends: int, seconds: float) -> None:
    waited = delay(DEFAULTS, ends, UID).total_seconds()
    assert waited == pytest.approx(seconds, rel=JITTER + 1e-6)


@given(backoffs, st.integers(2, 10_000), st.uuids().map(str))
def test_a_delay_is_never_more_than_the_cap_nor_less_than_the_first_by_more_than_the_jitter(
    backoff: Backoff, ends: int, uid: str
) -> None:
    waited = delay(backoff, ends, uid).total_seconds()
    least = min(backoff.first, backoff.cap)
    assert least * (1 - JITTER) - 1e-6 <= waited <= backoff.cap * (1 + JITTER) + 1e-6


@given(st.integers(2, 100), st.uuids().map(str))
def test_a_decision_taken_twice_is_the_same_decision(ends: int, uid: str) -> None:
    assert delay(DEFAULTS, ends, uid) == delay(DEFAULTS, ends, uid)


def test_guests_that_ended_together_do_not_start_together() -> None:
    waits = {delay(DEFAULTS, 7, f"vm{number}").total_seconds() for number in range(100)}
    assert len(waits) > 50
    assert min(waits) < DEFAULTS.cap * (1 - JITTER / 2)
    assert max(waits) > DEFAULTS.cap * (1 + JITTER / 2)


@pytest.mark.parametrize("field", ["first", "cap", "healthy"])
@pytest.mark.parametrize("seconds", [0, -1])
def test_a_delay_of_nothing_is_no_delay(field: str, seconds: float) -> None:
    with pytest.raises(ValidationError, match=field):
        Backoff.model_validate({field: seconds})


def test_delays_do_not_shrink() -> None:
    with pytest.raises(ValidationError, match="factor"):
        Backoff(factor=0.5)
