"""Edits of a declaration: what becomes of them, and what is said of those that have not taken effect."""

from datetime import timedelta

import pytest

from domain.guest import Observation, Power, absent
from domain.hypervisor import Capacity
from domain.life import Hold, Life, learned
from domain.lifecycle import Situation, Step, begun, fitting, plan, restart_required, room, situation
from domain.machine import guest_plan
from domain.requests import REMEMBERED_REQUESTS, Request, declared, deleted
from domain.run_strategy import Operation, RunStrategy
from tests.domain.examples import (
    BUILD,
    GIB,
    NOW,
    ROOM,
    SHAPE,
    SPEC,
    UID,
    asked,
    at_host,
    edited,
    newborn,
    off,
    paused,
    placed,
    running,
)

LATER = NOW + timedelta(hours=1)
UP = at_host(running(shape=SHAPE, build=BUILD))
LARGER = {"memory": 8 * GIB}
TWICE = Capacity(cpus=SPEC.cpus, memory=8 * GIB)


def fitted(life: Life, **shape: object) -> Life:
    """Return a life whose guest was tried to be fitted, and has this of its plan now."""
    seen = life.observed.model_copy(update={"shape": life.observed.shape and plan(life).shape.model_copy(update=shape)})
    return learned(life.but(fitted=fitting(life)), seen, LATER)


def denied(life: Life) -> Life:
    """Return a life whose zone was asked for the room it needs, and said no."""
    return begun(life, Step.RECLAIM, NOW).but(cramped="no room")


def test_an_edit_begins_a_generation_and_lifts_what_held_the_life_up() -> None:
    held = UP.but(hold=Hold(reason="DiskTooSmall", message="too small"), cramped="no room")
    life = declared(held, SPEC.model_copy(update=LARGER), Request(id="one", by="ada"), LATER)
    assert (life.generation, life.spec.memory, life.hold, life.cramped) == (2, 8 * GIB, None, "")
    assert life.last is not None
    assert (life.last.operation, life.last.by, life.last.at) == ("edit", "ada", LATER)


def test_what_a_failed_step_left_behind_is_looked_at_before_an_edit_is_met() -> None:
    failed = UP.but(hold=Hold(reason="StepFailed", message="the reply was lost"))
    assert situation(edited(failed, **LARGER)) is Situation.STALE


def test_an_edit_that_changes_nothing_begins_none() -> None:
    life = declared(UP, SPEC, Request(id="one"), LATER)
    assert life == UP.but(requests=("one",))


def test_the_same_edit_again_is_one_edit() -> None:
    once = declared(UP, SPEC.model_copy(update=LARGER), Request(id="one"), LATER)
    assert declared(once, SPEC, Request(id="one"), LATER) is once


def test_ids_of_edits_and_operations_are_remembered_together() -> None:
    life = asked(UP, *[Operation.RESTART] * REMEMBERED_REQUESTS)
    after = declared(life, SPEC, Request(id="one"), LATER)
    assert (after.requests[-1], len(after.requests)) == ("one", REMEMBERED_REQUESTS)


def test_the_plan_is_what_is_declared_as_far_as_room_was_granted() -> None:
    life = edited(UP, **LARGER, cpus=1)
    assert (plan(life).memory, plan(life).cpus) == (4 * GIB, 1)
    assert plan(life.but(granted=TWICE)) == guest_plan(life.spec, UID)
    assert plan(newborn()) == guest_plan(SPEC, UID)


@pytest.mark.parametrize(
    ("life", "needed"),
    [
        (newborn(), ROOM),
        (edited(placed(), **LARGER), TWICE),
        (edited(UP, **LARGER), TWICE),
        (edited(UP, memory=GIB, cpus=1), ROOM),
        (edited(at_host(off()), memory=GIB, cpus=1), Capacity(cpus=1, memory=GIB)),
    ],
)
def test_a_vm_needs_room_for_what_is_declared_and_no_less_than_its_guest_has(life: Life, needed: Capacity) -> None:
    assert room(life) == needed


@pytest.mark.parametrize("seen", [absent(UID), off(), running(shape=SHAPE), paused(shape=SHAPE)])
def test_a_vm_that_needs_other_room_is_cramped(seen: Observation) -> None:
    assert situation(edited(at_host(seen), **LARGER)) is Situation.CRAMPED


def test_so_is_one_that_was_edited_before_its_hypervisor_was_told_anything() -> None:
    assert situation(edited(placed(), **LARGER)) is Situation.CRAMPED


def test_one_that_was_edited_before_it_was_placed_is_not() -> None:
    assert situation(edited(newborn(), **LARGER)) is Situation.NEW


def test_a_zone_that_said_no_is_not_asked_again_until_there_is_news() -> None:
    life = denied(edited(UP, **LARGER))
    assert situation(life) is Situation.RUNNING
    assert situation(edited(life, memory=6 * GIB)) is Situation.CRAMPED


def test_what_is_to_go_needs_no_room() -> None:
    assert situation(deleted(edited(at_host(off()), **LARGER), NOW)) is Situation.OFF


@pytest.mark.parametrize(
    "changes",
    [
        {"memory": 2 * GIB},
        {"cpus": 1},
        {"disk": 30 * GIB},
        {"tcp": (80,)},
        {"udp": (53,)},
        {"memory": 2 * GIB, "cpus": 1},
    ],
)
def test_a_running_guest_that_is_not_what_is_declared_is_fitted_once_for_every_declaration(
    changes: dict[str, object],
) -> None:
    life = edited(UP, **changes)
    assert situation(life) is Situation.UNFIT
    assert situation(life.but(fitted=fitting(life))) is Situation.RUNNING
    assert situation(edited(life.but(fitted=fitting(life)), memory=GIB)) is Situation.UNFIT


def test_it_is_fitted_again_when_it_was_granted_more() -> None:
    tried = denied(edited(UP, **LARGER, cpus=1))
    tried = tried.but(fitted=fitting(tried))
    assert situation(tried) is Situation.RUNNING
    assert situation(tried.but(granted=TWICE, cramped="")) is Situation.UNFIT


def test_the_next_incarnation_is_fitted_for_itself() -> None:
    tried = edited(UP, cpus=1)
    after = learned(tried.but(fitted=fitting(tried)), running("i2", shape=SHAPE), LATER)
    assert situation(after) is Situation.UNFIT


@pytest.mark.parametrize("seen", [off(), absent(UID), running(), paused(shape=SHAPE)])
def test_only_a_running_guest_whose_shape_is_known_can_be_fitted(seen: Observation) -> None:
    assert fitting(edited(at_host(seen), cpus=1)) == ""


def test_the_order_of_ports_is_no_difference() -> None:
    assert fitting(edited(at_host(running(shape=edited(UP, tcp=(80, 81)).observed.shape)), tcp=())) == ""
    seen = running(shape=SHAPE.model_copy(update={"tcp": (80, 81)}))
    assert fitting(edited(at_host(seen), tcp=(81, 80))) == ""


# What is still different after that waits for a power-on, and nothing else does


def test_a_guest_as_declared_needs_no_restart() -> None:
    assert not restart_required(UP)
    assert not restart_required(fitted(edited(UP, cpus=1)))


def test_what_fitting_did_not_change_needs_a_restart() -> None:
    assert restart_required(fitted(edited(UP, cpus=1), cpus=2))


def test_nothing_needs_a_restart_before_fitting_was_tried() -> None:
    assert not restart_required(edited(UP, cpus=1))
    again = edited(fitted(edited(UP, cpus=1), cpus=2), memory=GIB)
    assert not restart_required(again)


@pytest.mark.parametrize(
    "changes", [{"user_data": "#cloud-config\n"}, {"cpu_model": "Conroe"}, {"mac": "02:00:00:00:00:01"}]
)
def test_what_takes_effect_at_a_power_on_only_needs_a_restart_at_once(changes: dict[str, object]) -> None:
    assert restart_required(edited(UP, **changes))
    assert not restart_required(edited(edited(UP, **changes), **{name: getattr(SPEC, name) for name in changes}))


@pytest.mark.parametrize("changes", [{"max_cpus": 8}, {"max_memory": 16 * GIB}])
def test_how_far_a_guest_may_grow_needs_no_restart_before_it_is_to_grow(changes: dict[str, object]) -> None:
    assert not restart_required(edited(UP, **changes))


def test_a_driver_that_cannot_say_what_a_guest_was_built_with_requires_nothing() -> None:
    assert not restart_required(edited(at_host(running(shape=SHAPE)), cpu_model="Conroe"))


@pytest.mark.parametrize("seen", [off(), absent(UID)])
def test_a_guest_that_does_not_run_needs_no_restart(seen: Observation) -> None:
    life = at_host(seen, RunStrategy.HALTED).but(fitted="i1 1 2 4")
    assert not restart_required(edited(life, cpu_model="Conroe"))


def test_a_pause_does_not_hide_that_a_restart_is_required() -> None:
    misfit = fitted(edited(UP, cpus=1), cpus=2)
    frozen = misfit.observed.model_copy(update={"power": Power.PAUSED})
    assert restart_required(learned(misfit, frozen, LATER))


def test_an_edit_of_a_paused_guest_waits_until_it_goes_on() -> None:
    life = edited(at_host(paused(shape=SHAPE)), cpus=1)
    assert (situation(life), restart_required(life)) == (Situation.PAUSED, False)
    assert situation(learned(life, running(shape=SHAPE), LATER)) is Situation.UNFIT


def test_room_that_is_missing_does_not_hide_that_a_restart_is_required() -> None:
    life = denied(edited(UP, **LARGER, cpus=1))
    assert restart_required(fitted(life, cpus=2))


def test_room_that_is_missing_is_no_reason_for_a_restart() -> None:
    life = denied(edited(UP, **LARGER))
    seen = running(shape=SHAPE, build=plan(life).build)
    assert not restart_required(learned(life, seen, LATER))


def test_a_wish_that_a_zone_waits_with_is_taken_back_with_the_edit() -> None:
    waiting = denied(edited(UP, **LARGER))
    assert situation(waiting) is Situation.RUNNING
    back = edited(waiting, memory=SPEC.memory)
    assert situation(back) is Situation.CRAMPED
    assert situation(back.but(claimed=ROOM)) is Situation.RUNNING


def test_room_that_may_have_been_granted_unheard_is_given_back_with_the_edit() -> None:
    unheard = begun(edited(UP, **LARGER), Step.RECLAIM, NOW)
    assert unheard.claimed == TWICE
    assert situation(edited(unheard, memory=SPEC.memory)) is Situation.CRAMPED
