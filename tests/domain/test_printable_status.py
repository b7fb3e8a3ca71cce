"""The one word people read, and the reason and message beside it."""

import pytest

from domain.guest import StopCause, absent
from domain.life import BOOT_PATIENCE, Hold, Life, asked_for, deleted
from domain.lifecycle import Step, next_step
from domain.run_strategy import Operation, RunStrategy
from domain.status import AT_REST, PrintableStatus, Reason, explain, printable_status
from tests.domain.examples import IMAGE, NOW, UID, at_host, newborn, off, paused, placed, running

UP, BOOTING, DOWN = at_host(running()), at_host(running(agent=False)), at_host(off(), RunStrategy.HALTED)


def stopped(life: Life) -> Life:
    return asked_for(life, Operation.STOP, "r1")


def restarted(life: Life) -> Life:
    return asked_for(life, Operation.RESTART, "r1")


def held_by(life: Life, reason: str) -> Life:
    return life.but(hold=Hold(reason=reason, message="told in a sentence"))


@pytest.mark.parametrize(
    ("life", "word"),
    [
        (newborn(), "Provisioning"),
        (newborn(RunStrategy.HALTED), "Provisioning"),
        (placed().but(image=IMAGE), "Provisioning"),
        (at_host(absent(UID)), "Provisioning"),
        (at_host(absent(UID)).but(provisioned=True), "Starting"),
        (at_host(off()), "Starting"),
        (BOOTING, "Starting"),
        (UP, "Running"),
        (at_host(paused()), "Paused"),
        (stopped(UP), "Stopping"),
        (stopped(at_host(paused())), "Stopping"),
        (restarted(UP), "Stopping"),
        (DOWN, "Stopped"),
        (deleted(UP, NOW), "Terminating"),
        (held_by(newborn(), Reason.UNSCHEDULABLE), "FailedUnschedulable"),
        (held_by(UP, Reason.HYPERVISOR_UNREACHABLE), "Unknown"),
        (held_by(UP, Reason.HYPERVISOR_NOT_SERVED), "Unknown"),
    ],
)
def test_a_life_is_told_in_one_word(life: Life, word: str) -> None:
    assert printable_status(life, NOW) == word


def test_a_silent_guest_counts_as_running_when_its_time_to_boot_is_over() -> None:
    assert printable_status(BOOTING, NOW + BOOT_PATIENCE) is PrintableStatus.RUNNING


@pytest.mark.parametrize(
    ("life", "word"),
    [
        (held_by(deleted(newborn(), NOW), Reason.UNSCHEDULABLE), "Terminating"),
        (held_by(deleted(UP, NOW), Reason.HYPERVISOR_UNREACHABLE), "Terminating"),
        (held_by(newborn(), Reason.HYPERVISOR_UNREACHABLE), "Provisioning"),
        (held_by(stopped(UP), Reason.HYPERVISOR_UNREACHABLE), "Unknown"),
        (stopped(at_host(running(agent=False))), "Stopping"),
    ],
)
def test_of_two_rules_that_apply_the_first_wins(life: Life, word: str) -> None:
    assert printable_status(life, NOW) == word


@pytest.mark.parametrize(
    ("life", "reason", "message"),
    [
        (UP, "GuestBooted", "the guest is up on h1"),
        (BOOTING, "GuestBooting", "the guest is booting on h1"),
        (at_host(paused()), "Paused", "the guest is paused"),
        (DOWN, "GuestOff", "the guest is off"),
        (at_host(off(StopCause.GUEST), RunStrategy.HALTED), "GuestOff", "the guest shut itself down"),
        (at_host(off(StopCause.HOST), RunStrategy.HALTED), "GuestOff", "the guest was powered off"),
        (at_host(off(StopCause.FAILED), RunStrategy.HALTED), "GuestOff", "the guest's process died"),
        (at_host(off(StopCause.CRASHED), RunStrategy.HALTED), "GuestOff", "the guest's kernel panicked"),
    ],
)
def test_a_vm_at_rest_tells_how_its_guest_is(life: Life, reason: str, message: str) -> None:
    assert next_step(life) is Step.REST
    assert explain(life, NOW) == (reason, message)
    assert reason in AT_REST


def test_a_guest_that_stayed_silent_is_told_from_one_that_has_shown_itself() -> None:
    reason, message = explain(BOOTING, NOW + BOOT_PATIENCE)
    assert (reason, message) == ("GuestSilent", "the guest runs on h1; it has neither an agent nor an address")
    assert reason in AT_REST


@pytest.mark.parametrize(
    ("life", "reason"),
    [
        (newborn(), "Placing"),
        (newborn().but(asked=("z1",)), "Placing"),
        (placed(), "Importing"),
        (placed().but(image=IMAGE), "Starting"),
        (placed(RunStrategy.HALTED).but(image=IMAGE), "Defining"),
        (UP.but(stale=True), "Observing"),
        (stopped(UP), "ShuttingDown"),
        (deleted(DOWN, NOW), "Removing"),
        (deleted(placed(), NOW), "Releasing"),
        (deleted(newborn().but(released=True), NOW), "Gone"),
    ],
)
def test_a_vm_that_is_getting_on_tells_what_it_is_doing(life: Life, reason: str) -> None:
    told, message = explain(life, NOW)
    assert told == reason
    assert message
    assert told not in AT_REST


def test_what_holds_a_vm_up_is_told_before_anything_else() -> None:
    assert explain(held_by(UP, "DiskFull"), NOW) == ("DiskFull", "told in a sentence")


def test_a_hold_names_the_field_at_fault() -> None:
    hold = Hold(reason="DiskTooSmall", message="is smaller than the image", field="spec.storage.root.pvc.size")
    told = explain(UP.but(hold=hold), NOW)
    assert told == ("DiskTooSmall", "spec.storage.root.pvc.size: is smaller than the image")
