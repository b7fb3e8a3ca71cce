"""A guest that keeps ending: when it is started again, and what makes that be forgotten."""

from datetime import timedelta

import pytest

from domain.backoff import Backoff, delay
from domain.guest import StopCause
from domain.life import Life, learned
from domain.lifecycle import Step, backing_off, held, next_step, tried_again
from domain.requests import deleted
from domain.run_strategy import Operation
from tests.domain.examples import NOW, UID, asked, at_host, edited, off, running

ALWAYS = at_host(off())
DEFAULTS = Backoff()


def ending(life: Life, times: int, *, every: timedelta = timedelta(), cause: StopCause = StopCause.CRASHED) -> Life:
    """Return a life whose guest was started and ended so many times, each living as long as `every`."""
    now = NOW
    for _ in range(times):
        life = learned(life, running(f"i{life.start}", start=life.start), now)
        now += every
        life = learned(life, off(cause, start=life.start), now)
    return life


def test_the_first_restart_comes_at_once() -> None:
    life = ending(ALWAYS, 1)
    assert (life.ends, life.again, held(life, NOW), next_step(life)) == (1, None, False, Step.RUN)


def test_the_second_in_a_row_waits() -> None:
    life = ending(ALWAYS, 2)
    assert life.again == NOW + delay(DEFAULTS, 2, UID)
    assert held(life, NOW)
    assert tried_again(life, NOW) == life.again
    assert not held(life, NOW + delay(DEFAULTS, 2, UID))


def test_a_guest_that_never_ran_to_be_seen_waits_as_well() -> None:
    once = learned(ALWAYS, off(StopCause.FAILED, start=1), NOW)
    twice = learned(once, off(StopCause.FAILED, start=2), NOW)
    assert (once.ends, once.again) == (1, None)
    assert (twice.ends, twice.again) == (2, NOW + delay(DEFAULTS, 2, UID))


def test_an_incarnation_that_lived_long_enough_ends_the_row() -> None:
    healthy = timedelta(seconds=DEFAULTS.healthy)
    assert ending(ALWAYS, 9, every=healthy).ends == 1
    assert ending(ALWAYS, 9, every=healthy - timedelta(seconds=1)).ends == 9


def test_the_delays_are_the_installations() -> None:
    hasty = Backoff(first=0.5, cap=1, healthy=60)
    life = ending(ALWAYS.but(backoff=hasty), 3)
    assert life.again == NOW + delay(hasty, 3, UID)


def test_ends_that_were_asked_for_are_none() -> None:
    life = at_host(running("i1", start=1)).but(ends=3)
    assert learned(asked(life, Operation.RESTART), off(start=1), NOW).ends == 0
    assert learned(asked(life, Operation.STOP), off(start=1), NOW).ends == 0


@pytest.mark.parametrize("operation", [Operation.STOP, Operation.RESTART])
def test_a_request_ends_the_wait(operation: Operation) -> None:
    life = asked(ending(ALWAYS, 5), operation)
    assert (life.ends, life.again, held(life, NOW)) == (0, None, False)


def test_only_the_start_waits() -> None:
    waiting = ending(ALWAYS, 5)
    assert backing_off(waiting, NOW)
    assert not backing_off(waiting.but(stale=True), NOW)
    assert not backing_off(edited(waiting, memory=2**33), NOW)
    assert not backing_off(deleted(waiting, NOW), NOW)


def test_the_end_of_a_deleted_vms_guest_is_no_end_in_the_row() -> None:
    assert learned(deleted(at_host(running("i1")), NOW), off(), NOW).ends == 0


def test_a_power_off_counts_where_the_strategy_starts_it_again() -> None:
    assert ending(ALWAYS, 2, cause=StopCause.GUEST).again == NOW + delay(DEFAULTS, 2, UID)


def test_another_incarnation_that_runs_is_an_end_nobody_has_to_wait_for() -> None:
    life = learned(at_host(running("i1")), running("i2"), NOW)
    assert (life.ends, life.again) == (0, None)
