"""The one word people read: every rule, every pair of neighbouring rules, and nothing besides."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.guest import StopCause, absent
from domain.life import BOOT_PATIENCE, Hold, Life, Wake, woken
from domain.requests import deleted
from domain.run_strategy import Operation, RunStrategy
from domain.status import PrintableStatus, Reason, printable_status
from tests.domain.examples import IMAGE, NOW, UID, asked, at_host, newborn, off, paused, placed, running

UP, BOOTING, DOWN = at_host(running()), at_host(running(agent=False)), at_host(off(), RunStrategy.HALTED)
WAITING = at_host(off(StopCause.CRASHED)).but(ends=3, again=NOW + BOOT_PATIENCE)


def held_by(life: Life, reason: str) -> Life:
    return life.but(hold=Hold(reason=reason, message="told in a sentence"))


def lost(life: Life) -> Life:
    return woken(life, Wake.LOST)


@pytest.mark.parametrize(
    ("life", "word"),
    [
        (deleted(UP, NOW), "Terminating"),
        (deleted(newborn(), NOW), "Terminating"),
        (held_by(newborn(), Reason.UNSCHEDULABLE), "FailedUnschedulable"),
        (held_by(UP, Reason.HYPERVISOR_UNREACHABLE), "Unknown"),
        (held_by(UP, Reason.HYPERVISOR_NOT_SERVED), "Unknown"),
        (lost(UP), "Unknown"),
        (lost(DOWN), "Unknown"),
        (newborn(), "Provisioning"),
        (newborn(RunStrategy.HALTED), "Provisioning"),
        (placed().but(image=IMAGE), "Provisioning"),
        (at_host(absent(UID)), "Provisioning"),
        (asked(UP, Operation.STOP), "Stopping"),
        (asked(UP, Operation.RESTART), "Stopping"),
        (asked(BOOTING, Operation.STOP), "Stopping"),
        (at_host(paused()), "Paused"),
        (UP, "Running"),
        (WAITING, "CrashLoopBackOff"),
        (at_host(off()), "Starting"),
        (at_host(absent(UID)).but(provisioned=True), "Starting"),
        (BOOTING, "Starting"),
        (DOWN, "Stopped"),
        (at_host(off(StopCause.GUEST), RunStrategy.MANUAL).but(wanted=False), "Stopped"),
    ],
)
def test_a_life_is_told_in_one_word(life: Life, word: str) -> None:
    assert printable_status(life, NOW) == word


@pytest.mark.parametrize(
    ("life", "first", "without", "second"),
    [
        (
            held_by(deleted(newborn(), NOW), Reason.UNSCHEDULABLE),
            "Terminating",
            {"deleting": None},
            "FailedUnschedulable",
        ),
        (held_by(lost(UP), Reason.UNSCHEDULABLE), "FailedUnschedulable", {"hold": None}, "Unknown"),
        (asked(UP, Operation.STOP).but(provisioned=False), "Provisioning", {"provisioned": True}, "Stopping"),
        (asked(at_host(paused()), Operation.STOP), "Stopping", {"strategy": RunStrategy.ALWAYS}, "Paused"),
        (asked(at_host(paused()), Operation.RESTART), "Stopping", {"ending": ""}, "Paused"),
        (WAITING, "CrashLoopBackOff", {"again": None}, "Starting"),
        (at_host(off()), "Starting", {"strategy": RunStrategy.HALTED}, "Stopped"),
    ],
)
def test_of_two_neighbouring_rules_that_apply_the_first_wins(
    life: Life, first: str, without: dict[str, object], second: str
) -> None:
    assert printable_status(life, NOW) == first
    assert printable_status(life.but(**without), NOW) == second


@pytest.mark.parametrize(
    ("life", "word"),
    [
        (held_by(deleted(UP, NOW), Reason.HYPERVISOR_UNREACHABLE), "Terminating"),
        (lost(deleted(UP, NOW)), "Terminating"),
        (held_by(asked(UP, Operation.STOP), Reason.HYPERVISOR_UNREACHABLE), "Unknown"),
        (lost(asked(UP, Operation.STOP)), "Unknown"),
        (lost(at_host(paused())), "Unknown"),
        (lost(WAITING), "Unknown"),
        (lost(asked(UP, Operation.STOP).but(deleting=NOW)), "Terminating"),
    ],
)
def test_and_so_it_does_over_those_further_down(life: Life, word: str) -> None:
    assert printable_status(life, NOW) == word


@pytest.mark.parametrize("life", [held_by(newborn(), Reason.HYPERVISOR_UNREACHABLE), lost(at_host(absent(UID)))])
def test_what_was_never_provisioned_is_not_unknown(life: Life) -> None:
    """The third and the fourth rule exclude each other: of a guest that never was, everything is known."""
    assert printable_status(life, NOW) is PrintableStatus.PROVISIONING


@pytest.mark.parametrize("age", [0 * BOOT_PATIENCE, BOOT_PATIENCE])
def test_a_paused_guest_is_never_running(age: timedelta) -> None:
    """The sixth and the seventh rule exclude each other, however long the guest has been there."""
    assert printable_status(at_host(paused()), NOW + age) is PrintableStatus.PAUSED


def test_a_guest_that_runs_is_not_waited_for() -> None:
    """The seventh and the eighth rule exclude each other: only what is off is left alone."""
    assert printable_status(UP.but(ends=3, again=NOW + BOOT_PATIENCE), NOW) is PrintableStatus.RUNNING


def test_a_guest_is_started_when_its_wait_is_over() -> None:
    assert printable_status(WAITING, NOW + BOOT_PATIENCE) is PrintableStatus.STARTING


def test_a_silent_guest_counts_as_running_when_its_time_to_boot_is_over() -> None:
    assert printable_status(BOOTING, NOW + BOOT_PATIENCE) is PrintableStatus.RUNNING


def test_no_vm_migrates_yet() -> None:
    assert "Migrating" in set(PrintableStatus)


lives = st.builds(
    lambda life, seen, fields: life.but(observed=seen, **fields),
    st.sampled_from([*map(newborn, RunStrategy), UP, DOWN, WAITING, placed()]),
    st.sampled_from([absent(UID), off(), off(StopCause.CRASHED), running(), running(agent=False), paused()]),
    st.fixed_dictionaries(
        {},
        optional={
            "wanted": st.booleans(),
            "adrift": st.booleans(),
            "touched": st.booleans(),
            "provisioned": st.booleans(),
            "deleting": st.sampled_from([None, NOW]),
            "ending": st.sampled_from(["", "i1"]),
            "again": st.sampled_from([None, NOW - BOOT_PATIENCE, NOW + BOOT_PATIENCE]),
            "hold": st.sampled_from([None, *(Hold(reason=reason, message="why") for reason in Reason)]),
        },
    ),
)


@given(lives)
def test_every_life_has_a_word_of_the_documentation_but_one(life: Life) -> None:
    documented = "Stopped Provisioning Starting Running Paused Stopping Terminating CrashLoopBackOff Unknown"
    assert printable_status(life, NOW) in {*documented.split(), "FailedUnschedulable"}
