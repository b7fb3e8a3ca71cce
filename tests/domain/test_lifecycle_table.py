"""The life cycle's table, and how a life is read as a goal and a situation."""

from datetime import timedelta

import pytest

from domain.guest import Observation, Power, absent
from domain.life import BOOT_PATIENCE, Hold, Life
from domain.lifecycle import TABLE, Goal, Situation, Step, begun, goal, grace, held, next_step, situation, up
from domain.machine import DEFAULT_GRACE
from domain.requests import deleted
from domain.run_strategy import Operation, RunStrategy
from tests.domain.examples import IMAGE, NOW, SHAPE, UID, asked, at_host, edited, newborn, off, paused, placed, running

BEFORE_THE_HYPERVISOR = {Situation.NEW, Situation.UNPLACED, Situation.PLACED, Situation.READY}


@pytest.mark.parametrize("wanted", Goal)
@pytest.mark.parametrize("standing", Situation)
def test_every_goal_has_a_step_in_every_situation(wanted: Goal, standing: Situation) -> None:
    assert TABLE[wanted][standing] in Step


def test_a_deleted_vm_is_never_built_nor_placed() -> None:
    assert not {Step.SURVEY, Step.PLACE, Step.IMPORT, Step.DEFINE, Step.RUN, Step.REST} & set(TABLE[Goal.GO].values())


def test_only_a_deleted_vm_is_removed_and_ends() -> None:
    final = {Step.REMOVE, Step.RELEASE, Step.END}
    assert not final & {*TABLE[Goal.RUN].values(), *TABLE[Goal.STOP].values()}


LIVING = {Situation.ORDERED, Situation.UNFIT, Situation.DOOMED, Situation.RUNNING}


def test_a_live_step_is_taken_of_a_guest_that_is_to_run_only() -> None:
    taken = {
        (wanted, where) for wanted in Goal for where in Situation if TABLE[wanted][where] in {Step.ORDER, Step.FIT}
    }
    assert taken == {(Goal.RUN, Situation.ORDERED), (Goal.RUN, Situation.UNFIT)}


@pytest.mark.parametrize("standing", LIVING)
@pytest.mark.parametrize("wanted", [Goal.STOP, Goal.GO])
def test_a_living_guest_that_is_not_to_run_is_stopped_whatever_waits_for_it(wanted: Goal, standing: Situation) -> None:
    assert TABLE[wanted][standing] is Step.STOP


def test_room_is_asked_for_what_stays_only() -> None:
    assert {wanted for wanted in Goal if Step.RECLAIM in TABLE[wanted].values()} == {Goal.RUN, Goal.STOP}


def test_what_is_stale_is_looked_at_whatever_is_wanted() -> None:
    assert {TABLE[wanted][Situation.STALE] for wanted in Goal} == {Step.OBSERVE}


@pytest.mark.parametrize("standing", BEFORE_THE_HYPERVISOR)
def test_room_and_image_are_got_alike_whether_the_guest_is_to_run_or_not(standing: Situation) -> None:
    run, stop = TABLE[Goal.RUN][standing], TABLE[Goal.STOP][standing]
    assert (run, stop) == (Step.RUN, Step.DEFINE) if standing is Situation.READY else run is stop


@pytest.mark.parametrize(
    ("life", "expected"),
    [
        (newborn(), Situation.NEW),
        (newborn().but(asked=("z1", "z2")), Situation.UNPLACED),
        (placed(), Situation.PLACED),
        (placed().but(image=IMAGE), Situation.READY),
        (placed().but(image=IMAGE, stale=True), Situation.READY),
        (at_host(absent(UID)), Situation.ABSENT),
        (at_host(off()), Situation.OFF),
        (at_host(running()), Situation.RUNNING),
        (at_host(paused()), Situation.PAUSED),
        (at_host(running().model_copy(update={"cut_off": True})), Situation.CUT_OFF),
        (at_host(running("i1")).but(ending="i1"), Situation.DOOMED),
        (at_host(running("i2")).but(ending="i1"), Situation.RUNNING),
        (at_host(off()).but(ending=""), Situation.OFF),
        (at_host(running("i1")).but(ending="i1", stale=True), Situation.STALE),
        (asked(at_host(running("i1")), Operation.RESET).but(ending="i1"), Situation.DOOMED),
        (asked(at_host(running()), Operation.RESET), Situation.ORDERED),
        (asked(at_host(paused()), Operation.UNPAUSE), Situation.ORDERED),
        (asked(at_host(running()), Operation.RESET).but(stale=True), Situation.STALE),
        (edited(asked(at_host(running(shape=SHAPE)), Operation.RESET), memory=1), Situation.ORDERED),
        (edited(at_host(running(shape=SHAPE)), memory=SHAPE.memory * 2, cpus=1), Situation.CRAMPED),
        (edited(at_host(running(shape=SHAPE)), cpus=1), Situation.UNFIT),
        (edited(at_host(running(shape=SHAPE)), cpus=1).but(stale=True), Situation.STALE),
        (at_host(absent(UID)).but(lost=True), Situation.IMAGELESS),
        (at_host(off()).but(lost=True), Situation.OFF),
        (deleted(newborn(), NOW).but(released=True), Situation.RELEASED),
    ],
)
def test_a_life_is_read_as_one_situation(life: Life, expected: Situation) -> None:
    assert situation(life) is expected


@pytest.mark.parametrize("strategy", RunStrategy)
@pytest.mark.parametrize("wanted", [True, False])
def test_always_runs_halted_stops_and_requests_decide_for_the_others(strategy: RunStrategy, *, wanted: bool) -> None:
    expected = {RunStrategy.ALWAYS: True, RunStrategy.HALTED: False}.get(strategy, wanted)
    assert goal(newborn(strategy).but(wanted=wanted)) is (Goal.RUN if expected else Goal.STOP)


def test_deletion_outranks_every_strategy() -> None:
    assert goal(deleted(newborn(RunStrategy.ALWAYS), NOW)) is Goal.GO


def test_a_restart_ends_the_doomed_incarnation_first() -> None:
    life = asked(at_host(running()), Operation.RESTART)
    assert next_step(life) is Step.STOP


@pytest.mark.parametrize(
    ("until", "waits"),
    [(None, True), (NOW + timedelta(seconds=1), True), (NOW, False), (NOW - timedelta(seconds=1), False)],
)
def test_a_held_step_waits_for_its_time_or_without_one_for_a_wake(until: object, *, waits: bool) -> None:
    life = newborn().but(hold=Hold(reason="SomeTrouble", message="").model_copy(update={"until": until}))
    assert held(life, NOW) is waits


def test_what_is_not_held_need_not_wait() -> None:
    assert not held(newborn(), NOW)


@pytest.mark.parametrize(
    ("seen", "asked", "seconds"),
    [
        (running(agent=True), None, DEFAULT_GRACE),
        (running(agent=True), 0.0, 0.0),
        (running(agent=True), 5.0, 5.0),
        (running(agent=False), None, DEFAULT_GRACE),
        (running(agent=False), 0.0, 0.0),
        (paused(), None, 0.0),
        (paused(), 5.0, 0.0),
    ],
)
def test_every_guest_that_runs_gets_the_grace_it_was_asked_to_have_or_is_declared_with(
    seen: Observation, asked: float | None, seconds: float
) -> None:
    assert grace(at_host(seen).but(grace=asked), NOW) == seconds


def test_attempts_to_stop_a_guest_share_its_grace() -> None:
    life = begun(at_host(running()), Step.STOP, NOW)
    assert grace(life, NOW) == DEFAULT_GRACE
    again = begun(life, Step.STOP, NOW + timedelta(seconds=20))
    assert grace(again, NOW + timedelta(seconds=20)) == DEFAULT_GRACE - 20
    assert grace(again, NOW + timedelta(hours=1)) == 0.0


@pytest.mark.parametrize(
    ("seen", "age", "expected"),
    [
        (running(agent=True), timedelta(), True),
        (running(agent=False), timedelta(), False),
        (running(agent=False), BOOT_PATIENCE - timedelta(seconds=1), False),
        (running(agent=False), BOOT_PATIENCE, True),
        (paused(), BOOT_PATIENCE, False),
        (off(), BOOT_PATIENCE, False),
    ],
)
def test_a_guest_is_up_when_it_has_shown_itself_or_had_its_time_to(
    seen: Observation,
    age: timedelta,
    *,
    expected: bool,
) -> None:
    life = at_host(seen).but(started=NOW)
    assert up(life, NOW + age) is expected


def test_a_silent_guest_whose_beginning_is_unknown_is_not_up() -> None:
    assert not up(at_host(running(agent=False)).but(started=None), NOW)


def test_an_address_is_a_sign_of_life_as_good_as_an_agent() -> None:
    seen = running(agent=False)
    assert seen.model_copy(update={"guest": seen.guest.model_copy(update={"addresses": ("10.0.0.2",)})}).booted


@pytest.mark.parametrize("power", Power)
def test_an_incarnation_exists_while_a_guest_runs_or_is_paused(power: Power) -> None:
    assert Observation(uid=UID, power=power).alive is (power in {Power.RUNNING, Power.PAUSED})
