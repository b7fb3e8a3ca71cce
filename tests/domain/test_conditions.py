"""Conditions: what is true of a VM, since when, and why."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.guest import GuestInfo, Observation, Power, StopCause
from domain.life import Hold, Life
from domain.problem import Verdict
from domain.run_strategy import RunStrategy
from domain.status import Condition, ConditionType, conditions
from tests.domain.examples import IMAGE, NOW, UID, at_host, newborn, off, paused, placed, running

LATER = NOW + timedelta(minutes=5)


def one(life: Life, kind: ConditionType) -> Condition:
    return {each.type: each for each in conditions(life, (), NOW)}[kind]


def test_every_type_is_told_always() -> None:
    assert [each.type for each in conditions(newborn(), (), NOW)] == ["DataImported", "Ready", "Failure", "Paused"]


def test_the_data_is_imported_once_the_image_is_there() -> None:
    assert not one(placed(), ConditionType.DATA_IMPORTED).status
    imported = one(placed().but(image=IMAGE), ConditionType.DATA_IMPORTED)
    assert imported.status
    assert (imported.reason, imported.message) == ("Succeeded", "Root disk has been imported successfully.")


@pytest.mark.parametrize(
    ("seen", "ready"),
    [(running(agent=True), True), (running(agent=False), False), (paused(), False), (off(), False)],
)
def test_a_vm_is_ready_once_its_guest_has_shown_itself(seen: Observation, *, ready: bool) -> None:
    assert one(at_host(seen), ConditionType.READY).status is ready


@pytest.mark.parametrize(("seen", "status"), [(paused(), True), (running(), False), (off(), False)])
def test_a_paused_guest_is_told(seen: Observation, *, status: bool) -> None:
    assert one(at_host(seen), ConditionType.PAUSED).status is status


@pytest.mark.parametrize(
    ("verdict", "failed"),
    [(Verdict.TERMINAL, True), (Verdict.RETRY, True), (Verdict.WAIT, False)],
)
def test_trouble_is_a_failure_and_waiting_is_not(verdict: Verdict, *, failed: bool) -> None:
    life = placed().but(hold=Hold(reason="DiskFull", message="no space is left", verdict=verdict))
    told = one(life, ConditionType.FAILURE)
    assert told.status is failed
    assert ((told.reason, told.message) == ("DiskFull", "no space is left")) is failed


@pytest.mark.parametrize(
    ("cause", "reason"),
    [(StopCause.CRASHED, "GuestCrashed"), (StopCause.FAILED, "GuestFailed")],
)
def test_a_guest_that_ended_unexpectedly_is_a_failure(cause: StopCause, reason: str) -> None:
    told = one(at_host(off(cause), RunStrategy.MANUAL), ConditionType.FAILURE)
    assert told.status
    assert told.reason == reason


@pytest.mark.parametrize("cause", [StopCause.GUEST, StopCause.HOST, StopCause.UNKNOWN])
def test_a_guest_that_was_shut_down_is_none(cause: StopCause) -> None:
    assert not one(at_host(off(cause), RunStrategy.MANUAL), ConditionType.FAILURE).status


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    before = conditions(at_host(running(agent=False)), (), NOW)
    after = conditions(at_host(running(agent=True)), before, LATER)
    changed = {each.type: each.since == LATER for each in after}
    assert changed == {"DataImported": False, "Ready": True, "Failure": False, "Paused": False}


observations = st.builds(
    Observation,
    uid=st.just(UID),
    power=st.sampled_from(Power),
    incarnation=st.sampled_from(["", "i1"]),
    cause=st.sampled_from(StopCause),
    guest=st.builds(GuestInfo, agent=st.booleans()),
)
holds = st.none() | st.builds(
    Hold, reason=st.just("DiskFull"), message=st.just("no space"), verdict=st.sampled_from(Verdict)
)
lives = st.builds(
    lambda life, seen, hold, touched: life.but(observed=seen, hold=hold, touched=touched),
    st.sampled_from([newborn(), placed(), at_host(running())]),
    observations,
    holds,
    st.booleans(),
)


@given(lives, lives)
def test_a_reason_and_a_message_are_always_there_and_times_follow_the_status(first: Life, second: Life) -> None:
    before = conditions(first, (), NOW)
    after = conditions(second, before, LATER)
    assert all(each.reason.isalpha() and each.message for each in (*before, *after))
    for old, new in zip(before, after, strict=True):
        assert new.since == (NOW if new.status is old.status else LATER)
