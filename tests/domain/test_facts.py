"""What a hypervisor says of a guest, and what the end of an incarnation means."""

from datetime import timedelta

import pytest

from domain.guest import Observation, StopCause, absent
from domain.life import Hold, Life, asked_for, learned
from domain.lifecycle import Goal, goal
from domain.run_strategy import Operation, RunStrategy
from tests.domain.examples import NOW, UID, at_host, off, paused, placed, running

LATER = NOW + timedelta(hours=1)

POWER_OFF, PANIC, DEAD_PROCESS = off(StopCause.GUEST), off(StopCause.CRASHED), off(StopCause.FAILED)
DESTROYED, HOST_REBOOT, UNDEFINED = off(StopCause.HOST), off(StopCause.UNKNOWN), absent(UID)


def ended(strategy: RunStrategy, seen: Observation) -> Life:
    return learned(at_host(running(), strategy), seen, LATER)


@pytest.mark.parametrize("seen", [POWER_OFF, PANIC, DEAD_PROCESS, DESTROYED, HOST_REBOOT, UNDEFINED])
def test_always_runs_again_after_any_end(seen: Observation) -> None:
    assert goal(ended(RunStrategy.ALWAYS, seen)) is Goal.RUN


@pytest.mark.parametrize("seen", [PANIC, DEAD_PROCESS, DESTROYED, HOST_REBOOT, UNDEFINED])
def test_rerun_on_failure_runs_again_after_a_failure(seen: Observation) -> None:
    assert goal(ended(RunStrategy.RERUN_ON_FAILURE, seen)) is Goal.RUN


def test_rerun_on_failure_respects_the_guests_own_power_off() -> None:
    assert goal(ended(RunStrategy.RERUN_ON_FAILURE, POWER_OFF)) is Goal.STOP


@pytest.mark.parametrize("strategy", [RunStrategy.MANUAL, RunStrategy.ONCE])
@pytest.mark.parametrize("seen", [POWER_OFF, PANIC, DEAD_PROCESS, DESTROYED, HOST_REBOOT, UNDEFINED])
def test_manual_and_once_leave_an_ended_guest_alone(strategy: RunStrategy, seen: Observation) -> None:
    assert goal(ended(strategy, seen)) is Goal.STOP


@pytest.mark.parametrize("strategy", [RunStrategy.ALWAYS, RunStrategy.RERUN_ON_FAILURE, RunStrategy.MANUAL])
@pytest.mark.parametrize("seen", [POWER_OFF, PANIC, DEAD_PROCESS, DESTROYED, HOST_REBOOT, UNDEFINED])
def test_nothing_resurrects_what_the_user_stopped(strategy: RunStrategy, seen: Observation) -> None:
    stopped = asked_for(at_host(running(), strategy), Operation.STOP, "r1")
    assert goal(learned(stopped, seen, LATER)) is Goal.STOP


def test_the_end_a_restart_asked_for_is_followed_by_a_start() -> None:
    restarting = asked_for(at_host(running(), RunStrategy.MANUAL), Operation.RESTART, "r1")
    life = learned(restarting, POWER_OFF, LATER)
    assert (goal(life), life.ending) == (Goal.RUN, "")


@pytest.mark.parametrize("taken_back", [Operation.STOP, Operation.RESTART])
def test_a_start_survives_the_end_that_an_earlier_request_brought_about(taken_back: Operation) -> None:
    asked = asked_for(at_host(running(), RunStrategy.MANUAL), taken_back, "r1")
    wanted_again = asked_for(asked, Operation.START, "r2")
    assert goal(learned(wanted_again, POWER_OFF, LATER)) is Goal.RUN


def test_repeating_the_start_does_not_forget_that_an_earlier_request_may_still_end_the_guest() -> None:
    life = at_host(running(), RunStrategy.MANUAL)
    for number, operation in enumerate((Operation.STOP, Operation.START, Operation.START)):
        life = asked_for(life, operation, f"r{number}")
    assert goal(learned(life, POWER_OFF, LATER)) is Goal.RUN


def test_only_the_incarnation_that_was_to_end_is_excused() -> None:
    life = at_host(running("i1"), RunStrategy.MANUAL)
    for number, operation in enumerate((Operation.STOP, Operation.START)):
        life = asked_for(life, operation, f"r{number}")
    again = learned(learned(life, POWER_OFF, LATER), running("i2"), LATER)
    assert goal(learned(again, POWER_OFF, LATER)) is Goal.STOP


def test_a_start_of_a_guest_nobody_stopped_does_not_excuse_its_power_off() -> None:
    life = asked_for(at_host(running(), RunStrategy.MANUAL), Operation.START, "r1")
    assert goal(learned(life, POWER_OFF, LATER)) is Goal.STOP


def test_ends_are_counted_once_each() -> None:
    life = ended(RunStrategy.ALWAYS, PANIC)
    assert life.exits == 1
    assert learned(life, PANIC, LATER).exits == 1


def test_another_incarnation_is_an_end_and_a_beginning() -> None:
    life = ended(RunStrategy.MANUAL, running("i2"))
    assert (life.exits, life.started, goal(life)) == (1, LATER, Goal.RUN)


@pytest.mark.parametrize("seen", [running(), paused()])
def test_the_same_incarnation_keeps_its_beginning(seen: Observation) -> None:
    life = ended(RunStrategy.ALWAYS, seen)
    assert (life.exits, life.started) == (0, NOW)


def test_a_guest_that_was_seen_is_provisioned_for_ever() -> None:
    fresh = placed().but(touched=True)
    assert not learned(fresh, UNDEFINED, LATER).provisioned
    built = learned(fresh, off(), LATER)
    assert built.provisioned
    assert learned(built, UNDEFINED, LATER).provisioned


def test_news_replace_what_was_stale_and_lift_a_hold() -> None:
    troubled = at_host(running()).but(stale=True, hold=Hold(reason="HypervisorUnreachable", message="no route"))
    life = learned(troubled, running(), LATER)
    assert (life.stale, life.hold) == (False, None)
