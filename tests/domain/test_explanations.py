"""Reason and message: what holds a VM up, else what it is doing, else how it is. One of them is always there."""

from datetime import timedelta

import pytest

from domain.guest import StopCause, absent
from domain.life import BOOT_PATIENCE, Hold, Life, Wake, woken
from domain.lifecycle import Step, next_step
from domain.requests import deleted
from domain.run_strategy import Operation, RunStrategy
from domain.status import AT_REST, explain
from tests.domain.examples import IMAGE, NOW, SHAPE, UID, asked, at_host, edited, newborn, off, paused, placed, running

UP, BOOTING, DOWN = at_host(running()), at_host(running(agent=False)), at_host(off(), RunStrategy.HALTED)


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


DOING = {
    Step.SURVEY: (newborn(), "Placing"),
    Step.PLACE: (newborn().but(asked=("z1",)), "Placing"),
    Step.IMPORT: (placed(), "Importing"),
    Step.DEFINE: (placed(RunStrategy.HALTED).but(image=IMAGE), "Defining"),
    Step.RUN: (placed().but(image=IMAGE), "Starting"),
    Step.OBSERVE: (UP.but(stale=True), "Observing"),
    Step.STOP: (asked(UP, Operation.STOP), "ShuttingDown"),
    Step.ORDER: (asked(UP, Operation.RESET), "Operating"),
    Step.RECLAIM: (edited(at_host(running(shape=SHAPE)), memory=2**40), "Resizing"),
    Step.FIT: (edited(at_host(running(shape=SHAPE)), cpus=1), "Resizing"),
    Step.REMOVE: (deleted(DOWN, NOW), "Removing"),
    Step.RELEASE: (deleted(placed(), NOW), "Releasing"),
    Step.END: (deleted(newborn(), NOW).but(released=True), "Gone"),
}


@pytest.mark.parametrize("step", sorted(set(Step) - {Step.REST}))
def test_a_vm_that_is_getting_on_tells_what_it_is_doing(step: Step) -> None:
    life, reason = DOING[step]
    told, message = explain(life, NOW)
    assert (next_step(life), told) == (step, reason)
    assert message
    assert told not in AT_REST


@pytest.mark.parametrize("life", [UP, woken(UP, Wake.LOST), newborn(), at_host(off()).but(again=NOW + BOOT_PATIENCE)])
def test_what_holds_a_vm_up_is_told_before_anything_else(life: Life) -> None:
    hold = Hold(reason="DiskFull", message="no space is left")
    assert explain(life.but(hold=hold), NOW) == ("DiskFull", "no space is left")


def test_a_hold_names_the_field_at_fault() -> None:
    hold = Hold(reason="DiskTooSmall", message="is smaller than the image", field="spec.storage.root.pvc.size")
    told = explain(UP.but(hold=hold), NOW)
    assert told == ("DiskTooSmall", "spec.storage.root.pvc.size: is smaller than the image")


@pytest.mark.parametrize(
    ("life", "known"),
    [(UP, "running"), (DOWN, "off"), (at_host(paused()), "paused"), (at_host(absent(UID)), "absent")],
)
def test_a_vm_out_of_reach_tells_how_its_guest_was_when_last_seen(life: Life, known: str) -> None:
    message = f"h1 is out of reach; when last seen, the guest was {known}"
    assert explain(woken(life, Wake.LOST), NOW) == ("HypervisorLost", message)


def test_one_that_is_looked_at_again_tells_that() -> None:
    assert explain(woken(woken(UP, Wake.LOST), Wake.GUEST), NOW)[0] == "Observing"


def test_a_guest_that_is_left_alone_tells_why_how_often_and_until_when() -> None:
    life = at_host(off(StopCause.CRASHED)).but(ends=3, again=NOW + timedelta(seconds=21))
    message = "the guest's kernel panicked; it ended 3 times in a row and is started again at 12:00:21 UTC"
    assert explain(life, NOW) == ("CrashLoopBackOff", message)
    assert explain(life, NOW + timedelta(seconds=21))[0] == "Starting"
