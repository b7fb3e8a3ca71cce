"""What a hypervisor says of a guest, and what the end of an incarnation means."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.guest import Observation, StopCause, absent
from domain.life import Hold, Life, learned
from domain.lifecycle import Goal, Step, begun, goal, grace, next_step
from domain.requests import deleted
from domain.run_strategy import Operation, RunStrategy
from tests.domain.examples import NOW, UID, asked, at_host, off, paused, placed, running

SOON = NOW + timedelta(seconds=70)
LATER = NOW + timedelta(hours=1)

POWER_OFF, PANIC, DEAD_PROCESS = off(StopCause.GUEST), off(StopCause.CRASHED), off(StopCause.FAILED)
DESTROYED, HOST_REBOOT, UNDEFINED = off(StopCause.HOST), off(StopCause.UNKNOWN), absent(UID)


def told(life: Life) -> Life:
    """Return a life whose guest may have been asked to shut itself down."""
    return begun(life, Step.STOP, NOW)


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
    stopped = asked(at_host(running(), strategy), Operation.STOP)
    assert goal(learned(stopped, seen, LATER)) is Goal.STOP


def test_the_end_a_restart_asked_for_is_followed_by_a_start() -> None:
    restarting = asked(at_host(running(), RunStrategy.MANUAL), Operation.RESTART)
    life = learned(restarting, POWER_OFF, LATER)
    assert (goal(life), life.ending) == (Goal.RUN, "")


@pytest.mark.parametrize("taken_back", [Operation.STOP, Operation.RESTART])
def test_a_start_survives_the_end_that_an_earlier_request_brought_about(taken_back: Operation) -> None:
    life = asked(told(asked(at_host(running(), RunStrategy.MANUAL), taken_back)), Operation.START)
    assert goal(learned(life, POWER_OFF, SOON)) is Goal.RUN


def test_it_is_not_excused_for_ever() -> None:
    life = asked(told(asked(at_host(running(), RunStrategy.MANUAL), Operation.STOP)), Operation.START)
    assert goal(learned(life, POWER_OFF, LATER)) is Goal.STOP


def test_a_guest_that_had_not_heard_of_the_stop_is_not_excused() -> None:
    life = asked(at_host(running(), RunStrategy.MANUAL), Operation.STOP, Operation.START)
    assert goal(learned(life, POWER_OFF, SOON)) is Goal.STOP


def test_repeating_the_start_does_not_forget_that_an_earlier_request_may_still_end_the_guest() -> None:
    stopping = told(asked(at_host(running(), RunStrategy.MANUAL), Operation.STOP))
    life = asked(stopping, Operation.START, Operation.START)
    assert goal(learned(life, POWER_OFF, SOON)) is Goal.RUN


@given(st.lists(st.sampled_from([None, Operation.START, Operation.STOP, Operation.RESTART]), max_size=8))
def test_whatever_was_asked_before_a_guest_that_heard_of_it_runs_again_after_a_start(
    asking: list[Operation | None],
) -> None:
    life, heard = at_host(running(), RunStrategy.MANUAL), False
    for operation in asking:
        if operation is not None:
            life = asked(life, operation)
        elif next_step(life) is Step.STOP:
            life, heard = told(life), True
    ended = learned(asked(life, Operation.START), POWER_OFF, SOON)
    assert goal(ended) is (Goal.RUN if heard else Goal.STOP)


@pytest.mark.parametrize("between", [Operation.STOP, Operation.RESTART])
def test_a_request_in_between_that_nobody_got_round_to_does_not_make_it_forget_either(between: Operation) -> None:
    stopping = told(asked(at_host(running(), RunStrategy.MANUAL), Operation.STOP))
    life = asked(stopping, Operation.START, between, Operation.START)
    assert goal(learned(life, POWER_OFF, SOON)) is Goal.RUN


def test_the_longest_time_that_a_guest_was_given_is_the_one_in_which_it_is_excused() -> None:
    stopping = told(asked(at_host(running(), RunStrategy.MANUAL), Operation.STOP, grace=1800.0))
    life = asked(told(asked(asked(stopping, Operation.START), Operation.RESTART)), Operation.START)
    assert goal(learned(life, POWER_OFF, NOW + timedelta(minutes=25))) is Goal.RUN


def test_only_the_incarnation_that_was_to_end_is_excused() -> None:
    life = asked(at_host(running("i1"), RunStrategy.MANUAL), Operation.STOP, Operation.START)
    again = learned(learned(life, POWER_OFF, LATER), running("i2"), LATER)
    assert goal(learned(again, POWER_OFF, LATER)) is Goal.STOP


def test_a_start_of_a_guest_nobody_stopped_does_not_excuse_its_power_off() -> None:
    life = asked(at_host(running(), RunStrategy.MANUAL), Operation.START)
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


def test_what_waits_for_its_turn_ends_with_its_incarnation() -> None:
    life = asked(at_host(running("i1")), Operation.RESET)
    assert learned(life, running("i1"), LATER).orders == life.orders
    assert learned(life, paused("i1"), LATER).orders == life.orders
    assert learned(life, running("i2"), LATER).orders == ()
    assert learned(life, off(), LATER).orders == ()


# Every power-on has a number, and one that happened is never ordered again


@pytest.mark.parametrize("seen", [PANIC, UNDEFINED, running("i2", start=1)])
def test_the_end_of_an_incarnation_uses_its_number_up(seen: Observation) -> None:
    assert learned(at_host(running("i1", start=1)), seen, LATER).start == 2


def test_numbers_never_fall_behind_what_the_hypervisor_has_seen() -> None:
    assert learned(at_host(running("i1", start=7)), off(start=7), LATER).start == 8


@pytest.mark.parametrize("strategy", [RunStrategy.ONCE, RunStrategy.MANUAL])
def test_a_guest_that_started_and_ended_before_anybody_saw_it_run_has_run(strategy: RunStrategy) -> None:
    life = learned(at_host(off(), strategy), off(StopCause.GUEST, start=1), LATER)
    assert (goal(life), life.exits, life.start) == (Goal.STOP, 1, 2)


def test_so_it_is_when_it_was_never_seen_at_all() -> None:
    fresh = placed(RunStrategy.ONCE).but(touched=True)
    life = learned(fresh, off(StopCause.CRASHED, start=1), LATER)
    assert (goal(life), life.exits, life.ends, life.provisioned) == (Goal.STOP, 1, 1, True)


def test_a_start_that_was_asked_for_since_is_another_power_on() -> None:
    life = asked(at_host(off(), RunStrategy.MANUAL), Operation.STOP, Operation.START)
    after = learned(life, off(StopCause.GUEST, start=1), LATER)
    assert (goal(after), after.exits, after.start) == (Goal.RUN, 0, 2)


def test_an_end_that_is_known_is_no_news() -> None:
    life = learned(at_host(running(start=1)), off(StopCause.GUEST, start=1), LATER)
    assert learned(life, off(StopCause.GUEST, start=1), LATER) == life


def test_a_restart_of_a_guest_that_is_only_starting_ends_what_starts() -> None:
    """What is being powered on was built before the restart was asked for."""
    life = asked(at_host(off(), RunStrategy.MANUAL).but(start=4), Operation.RESTART)
    first = learned(life, running("i1", start=4), NOW)
    assert (first.ending, next_step(first)) == ("i1", Step.STOP)
    second = learned(learned(first, off(StopCause.HOST, start=4), NOW), running("i2", start=5), NOW)
    assert (second.ending, next_step(second)) == ("", Step.REST)


@pytest.mark.parametrize("after", [Operation.START, Operation.STOP])
def test_what_is_asked_for_later_takes_the_place_of_such_a_restart(after: Operation) -> None:
    life = asked(at_host(off(), RunStrategy.MANUAL).but(start=4), Operation.RESTART, after)
    assert learned(life, running("i1", start=4), NOW).ending == ""


def test_what_a_daemon_has_forgotten_is_remembered() -> None:
    life = learned(at_host(running(), RunStrategy.MANUAL), POWER_OFF, NOW)
    assert learned(life, HOST_REBOOT, LATER).observed.cause is StopCause.GUEST
    assert learned(life, UNDEFINED, LATER).observed.cause is StopCause.UNKNOWN


def cut(seen: Observation) -> Observation:
    return seen.model_copy(update={"cut_off": True})


@pytest.mark.parametrize("strategy", [RunStrategy.ALWAYS, RunStrategy.MANUAL, RunStrategy.ONCE])
def test_a_power_on_that_was_cut_off_is_no_life_and_is_made_again(strategy: RunStrategy) -> None:
    life = learned(at_host(off(), strategy), cut(running("i1")), NOW)
    assert next_step(life) is Step.RUN
    again = learned(life, cut(off(StopCause.HOST)), NOW)
    assert (next_step(again), again.exits, again.ends) == (Step.RUN, 0, 0)


def test_a_guest_whose_cpus_never_moved_is_not_asked_to_end() -> None:
    life = at_host(cut(running()))
    assert next_step(asked(life, Operation.STOP)) is Step.STOP
    assert grace(asked(life, Operation.STOP), NOW) == 0.0
    assert next_step(deleted(life, NOW)) is Step.REMOVE


def test_a_restart_waits_until_it_is_known_which_power_on_it_meets() -> None:
    life = asked(at_host(off(), RunStrategy.MANUAL).but(start=4), Operation.RESTART)
    held = learned(life, cut(running("i1", start=4)), NOW)
    assert (held.ending, held.anew) == ("", 5)
    assert learned(held, running("i1", start=5), NOW).ending == ""
    assert learned(held, running("i1", start=4), NOW).ending == "i1"
