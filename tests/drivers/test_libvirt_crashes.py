"""Workers that are killed between two steps, and libvirtd killed under the driver."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from domain.evidence import outdated
from domain.guest import GuestPlan, Observation, Power, StopCause, absent
from domain.problem import Problem, Verdict
from drivers.base import Change
from drivers.libvirt import LibvirtDriver, ports, power, sight
from tests.drivers.libvirt_backdoor import LibvirtBackdoor
from tests.drivers.libvirt_hosts import SessionHost, new_plan, prepared, processes
from tests.drivers.libvirt_victim import run_victim
from tests.drivers.waiting import eventually, watching

BUILDING = ("create volume", "publish disk", "drop partial", "publish file", "define")
POWERING_ON = ("begin power-on", "start QEMU", "announce CPUs", "let CPUs go", "end power-on")
REMOVING = ("power off", "undefine", "delete file")
MOMENTS = ("before", "after")


def quiet() -> None:
    """A beat that never asks to stop."""


@pytest.fixture
def plan() -> GuestPlan:
    return new_plan(tcp=(22,))


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", [*BUILDING, *POWERING_ON])
def test_a_worker_killed_while_it_builds_leaves_what_the_next_one_adopts(
    session_host: SessionHost,
    libvirt_driver: LibvirtDriver,
    plan: GuestPlan,
    step: str,
    moment: str,
) -> None:
    backdoor = LibvirtBackdoor(session_host.spec)
    assert run_victim(session_host.spec, plan, "run", step, moment) == -signal.SIGKILL
    left = libvirt_driver.observe(plan.uid)
    disk = backdoor.content(plan.uid)

    seen = libvirt_driver.ensure_running(plan, fresh=True, start=1)

    assert seen.power is Power.RUNNING
    assert left.incarnation in {"", seen.incarnation}
    assert disk in {"", backdoor.content(plan.uid)}
    assert [each.uid for each in libvirt_driver.inventory()] == [plan.uid]
    assert libvirt_driver.leftovers() == []
    assert "running" in backdoor.virsh("domstate", plan.uid)
    assert seen.start == 1
    assert starts(session_host, plan) == 1


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", POWERING_ON)
def test_a_guest_that_was_destroyed_after_its_worker_was_killed_runs_again_unless_it_is_known_to_have_run(
    session_host: SessionHost,
    libvirt_driver: LibvirtDriver,
    plan: GuestPlan,
    step: str,
    moment: str,
) -> None:
    backdoor = LibvirtBackdoor(session_host.spec)
    assert run_victim(session_host.spec, plan, "run", step, moment) == -signal.SIGKILL
    if any(seen.alive for seen in libvirt_driver.inventory()):
        backdoor.virsh("destroy", plan.uid)

    seen = libvirt_driver.ensure_running(plan, fresh=True, start=1)

    known = (step, moment) == ("end power-on", "after")
    assert (seen.power, seen.start) == (Power.OFF if known else Power.RUNNING, 1)


@pytest.mark.qemu
def test_a_guest_that_shut_itself_down_after_its_worker_was_killed_does_not_run_again(
    bootable_host: SessionHost,
) -> None:
    plan = new_plan(user_data="#!/bin/sh\npoweroff -f\n")
    with prepared(bootable_host.spec) as driver:
        assert run_victim(bootable_host.spec, plan, "run", "end power-on", "before") == -signal.SIGKILL
        eventually(lambda: not driver.observe(plan.uid).alive, within=120, what="the guest shuts itself down")
        seen = driver.ensure_running(plan, fresh=False, start=1)
        assert (seen.power, seen.cause, seen.start) == (Power.OFF, StopCause.GUEST, 1)
        changed = plan.model_copy(update={"user_data": ""})
        assert driver.ensure_running(changed, fresh=False, start=1).power is Power.OFF
        assert starts(bootable_host, plan) == 1
        assert driver.ensure_running(changed, fresh=False, start=2).start == 2


def starts(host: SessionHost, plan: GuestPlan) -> int:
    """Count how often QEMU was started for a guest, by libvirt's log."""
    return (host.folder / f"cache/libvirt/qemu/log/{plan.name}.log").read_text().count(": starting up libvirt version")


def left_behind(host: SessionHost, driver: LibvirtDriver, plan: GuestPlan) -> Observation:
    """Have a worker killed while a guest's CPUs are held; return what is seen of the guest."""
    assert run_victim(host.spec, plan, "run", "let CPUs go", "before") == -signal.SIGKILL
    (seen,) = driver.inventory()
    return seen


def test_a_guest_whose_cpus_are_held_is_being_powered_on(
    session_host: SessionHost,
    libvirt_driver: LibvirtDriver,
    plan: GuestPlan,
) -> None:
    seen = left_behind(session_host, libvirt_driver, plan)
    assert (seen.power, seen.start, seen.cut_off) == (Power.RUNNING, 0, True)
    assert "paused" in LibvirtBackdoor(session_host.spec).virsh("domstate", plan.uid)


@pytest.mark.parametrize(("step", "cut_off"), [("start QEMU", False), ("let CPUs go", True), ("end power-on", False)])
def test_a_second_power_on_that_is_cut_off_is_told_and_its_end_is_no_older_than_its_life(
    session_host: SessionHost, libvirt_driver: LibvirtDriver, plan: GuestPlan, step: str, *, cut_off: bool
) -> None:
    backdoor = LibvirtBackdoor(session_host.spec)
    libvirt_driver.ensure_running(plan, fresh=True, start=1)
    backdoor.virsh("destroy", plan.uid)
    assert run_victim(session_host.spec, plan, "run 2", step, "before") == -signal.SIGKILL
    alive = libvirt_driver.observe(plan.uid)
    assert (alive.alive, alive.start, alive.cut_off) == (step != "start QEMU", 1, cut_off or step == "start QEMU")
    if alive.alive:
        backdoor.virsh("destroy", plan.uid)
    ended = libvirt_driver.observe(plan.uid)
    assert (ended.alive, ended.cut_off) == (False, step == "start QEMU")
    assert not outdated(alive, ended)
    seen = libvirt_driver.ensure_running(plan, fresh=False, start=2)
    assert (seen.power, seen.start, seen.cut_off) == (Power.RUNNING, 2, False)


def test_a_guest_that_was_left_behind_with_its_cpus_held_is_paused_and_can_be_resumed(
    session_host: SessionHost,
    libvirt_driver: LibvirtDriver,
    plan: GuestPlan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sight, "_UNFINISHED_SECONDS", 0.0)
    seen = left_behind(session_host, libvirt_driver, plan)
    assert seen.power is Power.PAUSED
    resumed = libvirt_driver.ensure_resumed(plan.uid, incarnation=seen.incarnation)
    assert (resumed.power, resumed.start, resumed.incarnation) == (Power.RUNNING, 1, seen.incarnation)
    assert "running" in LibvirtBackdoor(session_host.spec).virsh("domstate", plan.uid)


def test_a_guest_that_was_left_behind_with_its_cpus_held_runs_for_the_number_asked_for_next(
    session_host: SessionHost,
    libvirt_driver: LibvirtDriver,
    plan: GuestPlan,
) -> None:
    left = left_behind(session_host, libvirt_driver, plan)
    seen = libvirt_driver.ensure_running(plan, fresh=False, start=2)
    assert (seen.power, seen.start, seen.incarnation) == (Power.RUNNING, 2, left.incarnation)
    libvirt_driver.ensure_stopped(plan.uid, incarnation=seen.incarnation, grace=0, beat=quiet)
    assert libvirt_driver.observe(plan.uid).start == 2


def test_a_guest_somebody_paused_after_its_worker_was_killed_stays_paused(
    session_host: SessionHost,
    libvirt_driver: LibvirtDriver,
    plan: GuestPlan,
) -> None:
    assert run_victim(session_host.spec, plan, "run", "end power-on", "before") == -signal.SIGKILL
    LibvirtBackdoor(session_host.spec).virsh("suspend", plan.uid)
    seen = libvirt_driver.ensure_running(plan, fresh=False, start=1)
    assert (seen.power, seen.start) == (Power.PAUSED, 1)


def test_a_power_on_that_failed_is_none(
    session_host: SessionHost,
    libvirt_driver: LibvirtDriver,
    plan: GuestPlan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "free", lambda *_: True)
    with socket.create_server(("127.0.0.1", 0)) as other, monkeypatch.context() as patched:
        patched.setattr(ports, "_fresh", lambda *_: other.getsockname()[1])
        with pytest.raises(Problem):
            libvirt_driver.ensure_running(plan, fresh=True, start=1)
    assert starts(session_host, plan) == 1
    assert libvirt_driver.observe(plan.uid).start == 0
    assert libvirt_driver.ensure_running(plan, fresh=False, start=1).power is Power.RUNNING


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", REMOVING)
def test_a_worker_killed_while_it_removes_leaves_what_the_next_one_removes(
    session_host: SessionHost,
    libvirt_driver: LibvirtDriver,
    plan: GuestPlan,
    step: str,
    moment: str,
) -> None:
    libvirt_driver.ensure_running(plan, fresh=True, start=1)
    assert run_victim(session_host.spec, plan, "remove", step, moment) == -signal.SIGKILL

    libvirt_driver.ensure_removed(plan.uid)

    assert libvirt_driver.observe(plan.uid) == absent(plan.uid)
    assert libvirt_driver.leftovers() == []
    assert LibvirtBackdoor(session_host.spec).virsh("list", "--all", "--uuid").split() == []


@pytest.fixture
def mortal_driver(mortal_host: SessionHost) -> Iterator[LibvirtDriver]:
    driver = LibvirtDriver(mortal_host.spec)
    driver.prepare()
    yield driver
    driver.close()


def test_without_libvirtd_the_hypervisor_is_unreachable_and_no_guest_is_absent(
    mortal_host: SessionHost,
    mortal_driver: LibvirtDriver,
    plan: GuestPlan,
) -> None:
    seen = mortal_driver.ensure_running(plan, fresh=True, start=1)
    mortal_host.kill()
    calls = (
        lambda: mortal_driver.observe(plan.uid),
        mortal_driver.inventory,
        mortal_driver.prepare,
        lambda: mortal_driver.ensure_running(plan, fresh=False, start=2),
        lambda: mortal_driver.ensure_removed(plan.uid),
        lambda: mortal_driver.ensure_stopped(plan.uid, incarnation=seen.incarnation, grace=0, beat=quiet),
        lambda: next(mortal_driver.changes(threading.Event())),
    )
    for call in calls:
        with pytest.raises(Problem) as caught:
            call()
        assert (caught.value.reason, caught.value.verdict) == ("HypervisorUnreachable", Verdict.RETRY)


def test_a_guest_outlives_libvirtd_as_the_same_incarnation(
    mortal_host: SessionHost,
    mortal_driver: LibvirtDriver,
    plan: GuestPlan,
) -> None:
    before = mortal_driver.ensure_running(plan, fresh=True, start=1)
    mortal_host.kill()
    mortal_host.start()
    after = eventually(lambda: _observed(mortal_driver, plan), within=20, what="libvirtd knows its guest again")
    assert after is not None
    assert after.model_copy(update={"guest": before.guest}) == before
    stopped = mortal_driver.ensure_stopped(plan.uid, incarnation=before.incarnation, grace=0, beat=quiet)
    assert stopped.power is Power.OFF
    again = mortal_driver.ensure_running(plan, fresh=False, start=2)
    assert again.incarnation not in {"", before.incarnation}


def test_a_watch_ends_when_the_connection_breaks_and_can_be_begun_again(
    mortal_host: SessionHost,
    mortal_driver: LibvirtDriver,
) -> None:
    with watching(mortal_driver, within=20) as watch:
        mortal_host.kill()
        problem = eventually(lambda: watch.problem, within=20, what="the watch notices")
    assert problem is not None
    assert (problem.reason, problem.verdict) == ("HypervisorUnreachable", Verdict.RETRY)
    mortal_host.start()
    with watching(mortal_driver, within=20) as watch:
        assert watch.hints[0] == Change(uid="", what="connected")


def _observed(driver: LibvirtDriver, plan: GuestPlan) -> Observation | None:
    try:
        return driver.observe(plan.uid)
    except Problem:
        return None


def test_a_start_that_hangs_since_libvirtd_was_killed_in_the_middle_of_it_is_begun_again(
    mortal_host: SessionHost, plan: GuestPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that was to become QEMU says nothing: whoever starts libvirtd anew waits for its first word."""

    def attempt() -> None:
        with suppress(Problem):
            driver.ensure_running(plan, fresh=True, start=1)

    with prepared(mortal_host.spec) as driver:
        starting = threading.Thread(target=attempt)
        starting.start()
        while not (born := processes(f"\0-uuid\0{plan.uid}\0")):
            assert starting.is_alive()
        os.kill(born[0], signal.SIGSTOP)
        mortal_host.kill()
        starting.join()
        mortal_host.start()
        hanging = driver.observe(plan.uid)
        assert (hanging.power, hanging.start, hanging.cut_off) == (Power.RUNNING, 0, True)
        assert [seen.uid for seen in driver.inventory()] == [plan.uid], "one that hangs keeps nobody from the others"

        monkeypatch.setattr(power, "_HANGS_SECONDS", 0.0)
        given_up = driver.observe(plan.uid)
        assert (given_up.power, given_up.start, given_up.cut_off) == (Power.OFF, 0, True)
        seen = driver.ensure_running(plan, fresh=True, start=1)
        assert (seen.power, seen.start) == (Power.RUNNING, 1)
        assert seen.incarnation != hanging.incarnation
