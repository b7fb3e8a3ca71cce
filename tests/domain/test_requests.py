"""What people ask of a VM, and how it is recorded."""

from datetime import timedelta

import pytest

from domain.guest import Power
from domain.life import Asked, Hold, Wake, learned, woken
from domain.lifecycle import Goal, Step, goal, next_step
from domain.requests import REMEMBERED_REQUESTS, Request, asked_for, deleted
from domain.run_strategy import LIVE, Operation, RunStrategy
from tests.domain.examples import NOW, asked, at_host, newborn, off, placed, running

HOLD = Hold(reason="SomeTrouble", message="something is wrong")
LATER = NOW + timedelta(hours=1)
SWITCHES = [each for each in Operation if each not in LIVE]


def test_a_new_vm_has_its_declared_strategy_and_knows_nothing() -> None:
    life = newborn(RunStrategy.MANUAL)
    assert (life.strategy, life.wanted, life.observed.power) == (RunStrategy.MANUAL, False, Power.ABSENT)


def test_a_stop_is_intent_and_halts() -> None:
    life = asked(at_host(running()), Operation.STOP)
    assert (life.strategy, life.wanted) == (RunStrategy.HALTED, False)


def test_a_start_is_wanted_whatever_the_strategy_says_on_exits() -> None:
    life = asked(newborn(RunStrategy.MANUAL), Operation.START)
    assert (life.strategy, goal(life)) == (RunStrategy.MANUAL, Goal.RUN)


def test_a_restart_dooms_the_incarnation_that_runs() -> None:
    assert asked(at_host(running("i7")), Operation.RESTART).ending == "i7"


def test_a_restart_of_a_guest_that_is_off_dooms_nothing() -> None:
    life = asked(at_host(off(), RunStrategy.MANUAL), Operation.RESTART)
    assert (life.ending, goal(life)) == ("", Goal.RUN)


def test_a_start_takes_a_restart_back() -> None:
    life = asked(at_host(running(), RunStrategy.MANUAL), Operation.RESTART)
    assert asked(life, Operation.START).ending == ""


def test_a_forced_request_is_remembered_until_the_incarnation_ends() -> None:
    life = asked(at_host(running()), Operation.STOP, force=True)
    assert life.grace == 0
    assert learned(life, off(), NOW).grace is None


def test_a_stop_that_the_guest_ignores_can_be_forced_although_the_vm_is_halted_by_then() -> None:
    stopping = asked(at_host(running()), Operation.STOP)
    forced = asked(stopping, Operation.STOP, force=True)
    assert (forced.strategy, forced.grace, goal(forced)) == (RunStrategy.HALTED, 0, Goal.STOP)


@pytest.mark.parametrize("again", Operation)
def test_the_same_request_again_changes_nothing_whatever_it_asks_for(again: Operation) -> None:
    once = asked_for(at_host(running()), Operation.STOP, Request(id="one"), NOW)
    started = asked_for(once, Operation.START, Request(id="another"), NOW)
    assert asked_for(started, again, Request(id="one", force=True), LATER) is started


def test_request_ids_are_remembered_up_to_a_bound() -> None:
    life = asked(newborn(RunStrategy.MANUAL), *[Operation.START] * (REMEMBERED_REQUESTS - 1))
    for request in ("one", "another"):
        life = asked_for(life, Operation.START, Request(id=request), NOW)
    assert len(life.requests) == REMEMBERED_REQUESTS
    assert life.requests[-2:] == ("one", "another")
    assert "r0" not in life.requests


@pytest.mark.parametrize("operation", Operation)
def test_a_request_lifts_a_hold(operation: Operation) -> None:
    assert asked(at_host(running(), RunStrategy.MANUAL).but(hold=HOLD), operation).hold is None


@pytest.mark.parametrize("operation", Operation)
def test_what_a_failed_step_left_behind_is_looked_at_before_something_else_is_done(operation: Operation) -> None:
    life = at_host(running(), RunStrategy.MANUAL)
    assert asked(life.but(hold=HOLD), operation).stale
    assert not asked(life, operation).stale
    assert not asked(placed(RunStrategy.MANUAL).but(hold=HOLD), operation).stale


@pytest.mark.parametrize("operation", Operation)
def test_the_last_operation_is_remembered_with_who_asked_and_when(operation: Operation) -> None:
    last = asked(at_host(running(), RunStrategy.MANUAL), operation, by="ada").last
    assert last is not None
    assert (last.operation, last.by, last.at) == (operation.value, "ada", NOW)


@pytest.mark.parametrize("operation", [Operation.START, Operation.RESTART])
def test_every_request_to_run_wants_another_power_on(operation: Operation) -> None:
    once = asked(at_host(off(start=3), RunStrategy.MANUAL), operation)
    assert once.start == 4
    assert asked(once, operation).start == 5


def test_a_stop_wants_no_power_on() -> None:
    assert asked(at_host(running(start=3)).but(start=3), Operation.STOP).start == 3


@pytest.mark.parametrize("operation", SWITCHES)
def test_a_request_forgets_that_the_guest_kept_ending(operation: Operation) -> None:
    life = asked(at_host(off(), RunStrategy.MANUAL).but(ends=5, again=LATER), operation)
    assert (life.ends, life.again) == (0, None)


def test_a_deletion_is_the_goal_from_then_on_and_lifts_a_hold() -> None:
    life = deleted(asked(at_host(running()), Operation.PAUSE).but(hold=HOLD, ending="i1"), NOW)
    assert (goal(life), life.deleting, life.hold, life.ending, life.orders) == (Goal.GO, NOW, None, "", ())


def test_deleting_twice_is_deleting_once() -> None:
    once = deleted(newborn(), NOW)
    assert deleted(once, LATER) == once


def test_who_asked_for_a_deletion_is_remembered_and_a_later_one_changes_that_no_more() -> None:
    once = deleted(newborn(), NOW, Request(id="", by="ada"))
    assert once.last == Asked(operation="delete", by="ada", at=NOW)
    assert deleted(once, LATER, Request(id="", by="bob")).last == once.last


@pytest.mark.parametrize(
    ("first", "second", "grace"),
    [(None, None, None), (30.0, None, 30.0), (None, 5.0, 5.0), (30.0, 5.0, 5.0), (5.0, 30.0, 5.0), (30.0, 0.0, 0.0)],
)
def test_deleting_again_can_only_shorten_the_grace(
    first: float | None, second: float | None, grace: float | None
) -> None:
    once = deleted(at_host(running()), NOW, Request(id="", grace=first))
    assert deleted(once, LATER, Request(id="", grace=second)).grace == grace


def test_deleting_again_does_not_lengthen_what_is_declared() -> None:
    once = deleted(at_host(running()), NOW)
    assert deleted(once, LATER, Request(id="", grace=600.0)).grace == once.spec.grace


@pytest.mark.parametrize("operation", [Operation.START, Operation.RESTART])
def test_the_grace_for_a_guest_that_is_off_is_no_later_ones(operation: Operation) -> None:
    life = asked(at_host(off(), RunStrategy.MANUAL), operation, force=True)
    assert deleted(learned(life, running("i2", start=2), NOW), LATER).grace is None


def test_a_deletion_looks_at_what_a_failed_step_may_have_left() -> None:
    life = at_host(off()).but(hold=HOLD)
    assert next_step(life) is Step.RUN
    assert next_step(deleted(life, NOW)) is Step.OBSERVE


def test_a_deletion_does_not_give_back_what_a_forced_stop_took() -> None:
    assert deleted(asked(at_host(running()), Operation.STOP, force=True), NOW).grace == 0


@pytest.mark.parametrize("wake", sorted(set(Wake) - {Wake.LOST}))
def test_a_wake_lifts_a_hold(wake: Wake) -> None:
    assert woken(placed().but(hold=HOLD), wake).hold is None


def test_a_wake_about_the_guest_makes_what_is_known_stale() -> None:
    assert woken(at_host(running()), Wake.GUEST).stale


@pytest.mark.parametrize("wake", [Wake.IMAGE, Wake.ROOM, Wake.LOST])
def test_other_wakes_leave_what_is_known_of_the_guest(wake: Wake) -> None:
    assert not woken(at_host(running()), wake).stale
    assert woken(at_host(running()).but(stale=True), wake).stale


def test_there_is_nothing_to_look_at_before_the_hypervisor_was_told_anything() -> None:
    assert not woken(placed(), Wake.GUEST).stale


def test_news_of_a_lost_image_ends_the_search_for_it() -> None:
    lost = placed().but(lost=True)
    assert not woken(lost, Wake.IMAGE).lost
    assert woken(lost, Wake.ROOM).lost


def test_news_of_room_end_the_patience_with_a_zone_that_has_none() -> None:
    cramped = at_host(running()).but(cramped="no room")
    assert woken(cramped, Wake.ROOM).cramped == ""
    assert woken(cramped, Wake.GUEST).cramped == "no room"


def test_a_lost_hypervisor_is_no_fact_about_the_guest_and_lifts_no_hold() -> None:
    life = at_host(running()).but(hold=HOLD)
    assert woken(life, Wake.LOST) == life.but(adrift=True)


def test_a_hypervisor_that_holds_nothing_of_a_vm_cannot_be_lost_to_it() -> None:
    assert not woken(placed(), Wake.LOST).adrift


def test_the_next_word_of_a_hypervisor_ends_its_loss() -> None:
    adrift = woken(woken(at_host(running()), Wake.LOST), Wake.GUEST)
    assert adrift.adrift
    assert not learned(adrift, running(), LATER).adrift
