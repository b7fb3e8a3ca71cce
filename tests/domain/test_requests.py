"""What people ask of a VM, and how it is recorded."""

from datetime import timedelta

import pytest

from domain.guest import Power
from domain.life import REMEMBERED_REQUESTS, Hold, Wake, asked_for, deleted, learned, woken
from domain.lifecycle import Goal, goal
from domain.run_strategy import Operation, RunStrategy
from tests.domain.examples import NOW, at_host, newborn, off, placed, running

HOLD = Hold(reason="SomeTrouble", message="something is wrong")


def test_a_new_vm_has_its_declared_strategy_and_knows_nothing() -> None:
    life = newborn(RunStrategy.MANUAL)
    assert (life.strategy, life.wanted, life.observed.power) == (RunStrategy.MANUAL, False, Power.ABSENT)


def test_a_stop_is_intent_and_halts() -> None:
    life = asked_for(at_host(running()), Operation.STOP, "r1")
    assert (life.strategy, life.wanted, life.last_operation) == (RunStrategy.HALTED, False, "stop")


def test_a_start_is_wanted_whatever_the_strategy_says_on_exits() -> None:
    life = asked_for(newborn(RunStrategy.MANUAL), Operation.START, "r1")
    assert (life.strategy, goal(life)) == (RunStrategy.MANUAL, Goal.RUN)


def test_a_restart_dooms_the_incarnation_that_runs() -> None:
    assert asked_for(at_host(running("i7")), Operation.RESTART, "r1").ending == "i7"


def test_a_restart_of_a_guest_that_is_off_dooms_nothing() -> None:
    life = asked_for(at_host(off(), RunStrategy.MANUAL), Operation.RESTART, "r1")
    assert (life.ending, goal(life)) == ("", Goal.RUN)


def test_a_start_takes_a_restart_back() -> None:
    life = asked_for(at_host(running(), RunStrategy.MANUAL), Operation.RESTART, "r1")
    assert asked_for(life, Operation.START, "r2").ending == ""


def test_a_forced_request_is_remembered_until_the_incarnation_ends() -> None:
    life = asked_for(at_host(running()), Operation.STOP, "r1", force=True)
    assert life.forced
    assert not learned(life, off(), NOW).forced


def test_a_stop_that_the_guest_ignores_can_be_forced_although_the_vm_is_halted_by_then() -> None:
    stopping = asked_for(at_host(running()), Operation.STOP, "r1")
    forced = asked_for(stopping, Operation.STOP, "r2", force=True)
    assert (forced.strategy, forced.forced, goal(forced)) == (RunStrategy.HALTED, True, Goal.STOP)


def test_the_same_request_again_changes_nothing() -> None:
    once = asked_for(at_host(running()), Operation.STOP, "r1")
    started = asked_for(once, Operation.START, "r2")
    assert asked_for(started, Operation.STOP, "r1") is started


def test_request_ids_are_remembered_up_to_a_bound() -> None:
    life = newborn(RunStrategy.MANUAL)
    for number in range(REMEMBERED_REQUESTS + 1):
        life = asked_for(life, Operation.START, f"r{number}")
    assert len(life.requests) == REMEMBERED_REQUESTS
    assert "r0" not in life.requests


@pytest.mark.parametrize("operation", Operation)
def test_a_request_lifts_a_hold(operation: Operation) -> None:
    assert asked_for(newborn(RunStrategy.MANUAL).but(hold=HOLD), operation, "r1").hold is None


def test_a_deletion_is_the_goal_from_then_on_and_lifts_a_hold() -> None:
    life = deleted(at_host(running()).but(hold=HOLD, ending="i1"), NOW)
    assert (goal(life), life.deleting, life.hold, life.ending) == (Goal.GO, NOW, None, "")


def test_deleting_twice_is_deleting_once() -> None:
    once = deleted(newborn(), NOW)
    assert deleted(once, NOW + timedelta(hours=1)) is once


@pytest.mark.parametrize("wake", Wake)
def test_every_wake_lifts_a_hold(wake: Wake) -> None:
    assert woken(placed().but(hold=HOLD), wake).hold is None


def test_a_wake_about_the_guest_makes_what_is_known_stale() -> None:
    assert woken(at_host(running()), Wake.GUEST).stale


@pytest.mark.parametrize("wake", [Wake.IMAGE, Wake.ROOM])
def test_other_wakes_leave_what_is_known_of_the_guest(wake: Wake) -> None:
    assert not woken(at_host(running()), wake).stale
    assert woken(at_host(running()).but(stale=True), wake).stale


def test_there_is_nothing_to_look_at_before_the_hypervisor_was_told_anything() -> None:
    assert not woken(placed(), Wake.GUEST).stale


def test_news_of_a_lost_image_ends_the_search_for_it() -> None:
    lost = placed().but(lost=True)
    assert not woken(lost, Wake.IMAGE).lost
    assert woken(lost, Wake.ROOM).lost
