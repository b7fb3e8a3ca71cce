"""Workers that are killed between two steps, and libvirtd killed under the driver."""

import signal
import threading
from collections.abc import Iterator

import pytest

from domain.guest import GuestPlan, Observation, Power, absent
from domain.problem import Problem, Verdict
from drivers.base import Change
from drivers.libvirt import LibvirtDriver
from tests.drivers.libvirt_backdoor import LibvirtBackdoor
from tests.drivers.libvirt_hosts import SessionHost, new_plan
from tests.drivers.libvirt_victim import run_victim
from tests.drivers.waiting import eventually, watching

BUILDING = ("create volume", "publish disk", "drop partial", "publish file", "define", "mark power-on", "power on")
REMOVING = ("power off", "undefine", "delete file")
MOMENTS = ("before", "after")


def quiet() -> None:
    """A beat that never asks to stop."""


@pytest.fixture
def plan() -> GuestPlan:
    return new_plan(tcp=(22,))


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", BUILDING)
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

    seen = libvirt_driver.ensure_running(plan, fresh=True)

    assert seen.power is Power.RUNNING
    assert left.incarnation in {"", seen.incarnation}
    assert disk in {"", backdoor.content(plan.uid)}
    assert [each.uid for each in libvirt_driver.inventory()] == [plan.uid]
    assert libvirt_driver.leftovers() == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", REMOVING)
def test_a_worker_killed_while_it_removes_leaves_what_the_next_one_removes(
    session_host: SessionHost,
    libvirt_driver: LibvirtDriver,
    plan: GuestPlan,
    step: str,
    moment: str,
) -> None:
    libvirt_driver.ensure_running(plan, fresh=True)
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
    seen = mortal_driver.ensure_running(plan, fresh=True)
    mortal_host.kill()
    calls = (
        lambda: mortal_driver.observe(plan.uid),
        mortal_driver.inventory,
        mortal_driver.prepare,
        lambda: mortal_driver.ensure_running(plan, fresh=False),
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
    before = mortal_driver.ensure_running(plan, fresh=True)
    mortal_host.kill()
    mortal_host.start()
    after = eventually(lambda: _observed(mortal_driver, plan), within=20, what="libvirtd knows its guest again")
    assert after is not None
    assert (after.power, after.incarnation) == (Power.RUNNING, before.incarnation)
    stopped = mortal_driver.ensure_stopped(plan.uid, incarnation=before.incarnation, grace=0, beat=quiet)
    assert stopped.power is Power.OFF
    again = mortal_driver.ensure_running(plan, fresh=False)
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
