"""Conditions: what is true of a VM, since when, and why."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.guest import GuestInfo, Observation, Power, StopCause, absent
from domain.life import Hold, Life, Wake, learned, woken
from domain.problem import Verdict
from domain.requests import deleted
from domain.run_strategy import Operation, RunStrategy
from domain.status import Condition, ConditionType, Truth, conditions, truth
from tests.domain.examples import (
    BUILD,
    IMAGE,
    NOW,
    SHAPE,
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

UP = at_host(running(shape=SHAPE, build=BUILD))
LATER = NOW + timedelta(minutes=5)


def one(life: Life, kind: ConditionType) -> Condition:
    return {each.type: each for each in conditions(life, (), NOW)}[kind]


def told(life: Life) -> list[str]:
    return [each.type.value for each in conditions(life, (), NOW)]


FOUR = ["DataImported", "Ready", "Failure", "Paused"]


@pytest.mark.parametrize("life", [newborn(), placed(), UP, at_host(paused()), at_host(off()), deleted(UP, NOW)])
def test_the_four_documented_types_are_told_always(life: Life) -> None:
    assert told(life) == FOUR


@pytest.mark.parametrize(("known", "word"), [(True, "True"), (False, "False"), (None, "Unknown")])
def test_a_condition_holds_or_does_not_or_nobody_can_say(known: bool | None, word: str) -> None:  # noqa: FBT001 - a case
    assert truth(known) == word


def test_the_data_is_imported_once_the_image_is_there() -> None:
    assert one(placed(), ConditionType.DATA_IMPORTED).status is Truth.FALSE
    imported = one(placed().but(image=IMAGE), ConditionType.DATA_IMPORTED)
    assert imported.status is Truth.TRUE
    assert (imported.reason, imported.message) == ("Succeeded", "Root disk has been imported successfully.")


@pytest.mark.parametrize(
    ("life", "ready"),
    [
        (at_host(running(agent=True)), "True"),
        (at_host(running(agent=False)), "False"),
        (at_host(paused()), "False"),
        (at_host(off()), "False"),
        (asked(UP, Operation.STOP), "False"),
        (asked(UP, Operation.RESTART), "False"),
        (deleted(UP, NOW), "False"),
        (newborn(), "False"),
    ],
)
def test_a_vm_is_ready_while_its_guest_has_shown_itself_and_is_to_stay(life: Life, ready: str) -> None:
    assert one(life, ConditionType.READY).status == ready


def test_a_guest_that_does_not_exist_is_told_in_the_documentations_words() -> None:
    ready = one(asked(at_host(off(StopCause.GUEST)), Operation.STOP), ConditionType.READY)
    assert (ready.reason, ready.message) == ("VMINotExists", "VMI does not exist: the guest shut itself down")


@pytest.mark.parametrize(
    "life",
    [
        woken(UP, Wake.LOST),
        UP.but(hold=Hold(reason="HypervisorUnreachable", message="no route")),
        UP.but(hold=Hold(reason="HypervisorNotServed", message="no worker")),
        woken(at_host(off()), Wake.LOST),
    ],
)
def test_nobody_can_say_whether_a_vm_out_of_reach_is_ready(life: Life) -> None:
    ready = one(life, ConditionType.READY)
    assert ready.status is Truth.UNKNOWN
    assert ready.reason.startswith("Hypervisor")


@pytest.mark.parametrize(("seen", "status"), [(paused(), "True"), (running(), "False"), (off(), "False")])
def test_a_paused_guest_is_told(seen: Observation, status: str) -> None:
    paused_condition = one(at_host(seen), ConditionType.PAUSED)
    assert paused_condition.status == status
    assert paused_condition.reason == ("Paused" if status == "True" else "NotPaused")


@pytest.mark.parametrize("verdict", Verdict)
def test_a_step_that_failed_for_good_is_a_failure_and_waiting_is_not(verdict: Verdict) -> None:
    failed = verdict is Verdict.TERMINAL
    life = placed().but(hold=Hold(reason="DiskFull", message="no space is left", verdict=verdict))
    told = one(life, ConditionType.FAILURE)
    assert told.status is truth(failed)
    assert ((told.reason, told.message) == ("DiskFull", "no space is left")) is failed


@pytest.mark.parametrize(
    ("cause", "reason"),
    [(StopCause.CRASHED, "GuestCrashed"), (StopCause.FAILED, "GuestFailed")],
)
def test_a_guest_that_ended_unexpectedly_is_a_failure(cause: StopCause, reason: str) -> None:
    told = one(at_host(off(cause), RunStrategy.MANUAL), ConditionType.FAILURE)
    assert told.status is Truth.TRUE
    assert told.reason == reason


@pytest.mark.parametrize("cause", [StopCause.GUEST, StopCause.HOST, StopCause.UNKNOWN])
def test_a_guest_that_was_shut_down_is_none(cause: StopCause) -> None:
    assert one(at_host(off(cause), RunStrategy.MANUAL), ConditionType.FAILURE).status is Truth.FALSE


@pytest.mark.parametrize("seen", [off(StopCause.UNKNOWN), absent(UID)])
def test_a_guest_whose_host_was_lost_with_it_is_a_failure(seen: Observation) -> None:
    told = one(learned(UP.but(wanted=True, strategy=RunStrategy.MANUAL), seen, NOW), ConditionType.FAILURE)
    assert (told.status, told.reason) == (Truth.TRUE, "GuestLost")


def test_a_guest_that_shut_itself_down_is_not_lost_when_its_host_forgets_that() -> None:
    life = learned(at_host(running(), RunStrategy.MANUAL), off(StopCause.GUEST), NOW)
    assert one(learned(life, off(StopCause.UNKNOWN), NOW), ConditionType.FAILURE).status is Truth.FALSE


def test_what_a_deletion_removed_is_not_lost() -> None:
    life = learned(at_host(running(), RunStrategy.MANUAL), off(StopCause.UNKNOWN), NOW)
    assert one(deleted(life, NOW), ConditionType.FAILURE).status is Truth.FALSE


def test_what_waits_for_a_power_on_is_told_until_then() -> None:
    life = edited(UP, cpu_model="Conroe")
    assert told(life) == [*FOUR, "RestartRequired"]
    required = one(life, ConditionType.RESTART_REQUIRED)
    assert (required.status, required.reason) == ("True", "RestartRequired")
    assert "restart the VM" in required.message


def test_room_that_is_missing_is_told_in_the_zones_words() -> None:
    life = edited(UP, memory=2**40).but(cramped="8 GiB wanted, 4 GiB held")
    assert told(life) == [*FOUR, "ResizePending"]
    pending = one(life, ConditionType.RESIZE_PENDING)
    assert (pending.status, pending.reason, pending.message) == ("True", "NoRoom", "8 GiB wanted, 4 GiB held")


def test_both_are_told_of_a_vm_that_needs_both() -> None:
    life = edited(UP, memory=2**40, cpu_model="Conroe").but(cramped="no room")
    assert told(life) == [*FOUR, "RestartRequired", "ResizePending"]


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    before = conditions(at_host(running(agent=False)), (), NOW)
    after = conditions(at_host(running(agent=True)), before, LATER)
    changed = {each.type: each.since == LATER for each in after}
    assert changed == {"DataImported": False, "Ready": True, "Failure": False, "Paused": False}


observations = st.builds(
    Observation,
    uid=st.just(UID),
    shape=st.sampled_from([None, SHAPE, SHAPE.model_copy(update={"cpus": 9})]),
    build=st.sampled_from(["", BUILD, "another"]),
    power=st.sampled_from(Power),
    incarnation=st.sampled_from(["", "i1"]),
    cause=st.sampled_from(StopCause),
    guest=st.builds(GuestInfo, agent=st.booleans()),
)
holds = st.none() | st.builds(
    Hold, reason=st.just("DiskFull"), message=st.just("no space"), verdict=st.sampled_from(Verdict)
)
lives = st.builds(
    lambda life, seen, hold, touched, adrift: life.but(observed=seen, hold=hold, touched=touched, adrift=adrift),
    st.sampled_from([newborn(), placed(), at_host(running()), edited(UP, cpus=1).but(fitted="i1 2 2 4294967296")]),
    observations,
    holds,
    st.booleans(),
    st.booleans(),
)


@given(lives, lives)
def test_a_reason_and_a_message_are_always_there_and_times_follow_the_status(first: Life, second: Life) -> None:
    before = conditions(first, (), NOW)
    after = conditions(second, before, LATER)
    assert all(each.reason.isalpha() and each.message for each in (*before, *after))
    known = {each.type: each.status for each in before}
    for each in after:
        assert each.since == (NOW if known.get(each.type) is each.status else LATER)
