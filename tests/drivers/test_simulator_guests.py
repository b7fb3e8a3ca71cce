"""What simulated guests do by the clock, by themselves and when an operator says so."""

import shutil
import threading
import time
from pathlib import Path

import pytest

from domain.guest import Observation, Power, StopCause
from domain.hypervisor import SimulatorSpec
from domain.problem import Problem, Verdict
from drivers.simulator import SimulatorDriver, volumes
from drivers.simulator.control import Control
from drivers.simulator.store import Store
from tests.drivers.simulator_host import cache_image, new_plan, quiet
from tests.drivers.waiting import eventually, watching


def slow(spec: SimulatorSpec, **seconds: float) -> SimulatorDriver:
    return SimulatorDriver(spec.model_copy(update=seconds))


def test_a_guest_boots_in_its_own_time(host: SimulatorDriver, simulator: SimulatorSpec) -> None:
    plan, driver = new_plan(), slow(simulator, boot_seconds=0.3)
    began = time.time()
    assert not driver.ensure_running(plan, fresh=True, start=1).booted
    eventually(lambda: host.observe(plan.uid).booted, within=20, what="the guest is up")
    assert time.time() - began >= 0.3
    driver.close()


def test_a_guest_keeps_its_address_over_power_ons(host: SimulatorDriver) -> None:
    plan = new_plan()
    first = host.ensure_running(plan, fresh=True, start=1)
    host.ensure_stopped(plan.uid, incarnation=first.incarnation, grace=0, beat=quiet)
    assert host.ensure_running(plan, fresh=False, start=2).guest.addresses == first.guest.addresses


def test_the_console_ends_with_cloud_init_having_finished(host: SimulatorDriver) -> None:
    plan = new_plan(hostname="web-1")
    host.ensure_running(plan, fresh=True, start=1)
    text = host.console(plan.uid, limit=10_000).decode()
    assert "Cloud-init v. 22.4.2 finished at" in text
    assert text.endswith("Debian GNU/Linux 12 web-1 ttyS0\r\n")


def test_the_console_grows_while_a_guest_boots(host: SimulatorDriver, simulator: SimulatorSpec) -> None:
    plan, driver = new_plan(), slow(simulator, boot_seconds=0.5)
    driver.ensure_running(plan, fresh=True, start=1)
    early = host.console(plan.uid, limit=10_000)
    assert b"finished at" not in early
    eventually(lambda: b"finished at" in host.console(plan.uid, limit=10_000), within=20, what="the boot is over")
    assert host.console(plan.uid, limit=10_000).startswith(early)
    driver.close()


def test_a_stubborn_guest_runs_until_its_grace_is_over(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    running = host.ensure_running(plan, fresh=True, start=1)
    control.make_stubborn(plan.uid)
    seen = host.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0.3, beat=quiet)
    assert seen.cause is StopCause.HOST


def test_a_shutdown_takes_its_time(host: SimulatorDriver, simulator: SimulatorSpec) -> None:
    plan, driver = new_plan(), slow(simulator, shutdown_seconds=0.3)
    running = driver.ensure_running(plan, fresh=True, start=1)
    began = time.time()
    seen = driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=60, beat=quiet)
    assert seen.cause is StopCause.GUEST
    assert time.time() - began >= 0.3
    driver.close()


@pytest.mark.parametrize(
    ("act", "cause", "farewell"),
    [
        (Control.power_off_from_inside, StopCause.GUEST, b"reboot: Power down"),
        (Control.panic, StopCause.CRASHED, b"Kernel panic"),
        (Control.kill_process, StopCause.FAILED, b""),
    ],
)
def test_what_ends_a_guest_is_told(host: SimulatorDriver, control: Control, act, cause, farewell) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - the table above says what they are
    plan = new_plan()
    host.ensure_running(plan, fresh=True, start=1)
    act(control, plan.uid)
    assert host.observe(plan.uid) == Observation(uid=plan.uid, power=Power.OFF, owner=plan.owner, cause=cause, start=1)
    assert farewell in host.console(plan.uid, limit=10_000)


def test_a_reboot_keeps_the_incarnation_and_boots_again(simulator: SimulatorSpec, control: Control) -> None:
    plan, driver = new_plan(), slow(simulator, boot_seconds=0.3)
    driver.prepare()
    running = driver.ensure_running(plan, fresh=True, start=1)
    eventually(lambda: driver.observe(plan.uid).booted, within=20, what="the guest is up")
    control.reboot(plan.uid)
    seen = driver.observe(plan.uid)
    assert (seen.power, seen.incarnation, seen.booted) == (Power.RUNNING, running.incarnation, False)
    assert driver.console(plan.uid, limit=10_000).count(b"Linux version") == 2
    eventually(lambda: driver.observe(plan.uid).booted, within=20, what="the guest is up again")
    driver.close()


def test_a_guest_that_does_not_listen_meets_a_soft_reboot_without_one(
    host: SimulatorDriver,
    control: Control,
) -> None:
    plan = new_plan()
    running = host.ensure_running(plan, fresh=True, start=1)
    control.make_stubborn(plan.uid)
    seen = host.ensure_rebooted(plan.uid, incarnation=running.incarnation, request="soft", hard=False)
    assert (seen.reboot, host.console(plan.uid, limit=10_000).count(b"Linux version")) == ("soft", 1)
    seen = host.ensure_rebooted(plan.uid, incarnation=running.incarnation, request="hard", hard=True)
    assert (seen.reboot, host.console(plan.uid, limit=10_000).count(b"Linux version")) == ("hard", 2)


def test_a_paused_guest_stays_paused_when_it_is_to_run(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    running = host.ensure_running(plan, fresh=True, start=1)
    control.pause(plan.uid)
    seen = host.ensure_running(plan, fresh=False, start=2)
    assert (seen.power, seen.incarnation) == (Power.PAUSED, running.incarnation)
    control.resume(plan.uid)
    assert host.observe(plan.uid).power is Power.RUNNING


def test_a_paused_guest_is_powered_off_when_its_grace_is_over(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    running = host.ensure_running(plan, fresh=True, start=1)
    control.pause(plan.uid)
    seen = host.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0.2, beat=quiet)
    assert (seen.power, seen.cause) == (Power.OFF, StopCause.HOST)


def test_a_host_that_reboots_leaves_every_guest_off_and_nobody_knows_why(
    host: SimulatorDriver,
    control: Control,
) -> None:
    plan = new_plan()
    running = host.ensure_running(plan, fresh=True, start=1)
    control.host_reboot()
    assert host.observe(plan.uid) == Observation(
        uid=plan.uid, power=Power.OFF, owner=plan.owner, cause=StopCause.UNKNOWN, start=1
    )
    assert host.ensure_running(plan, fresh=False, start=2).incarnation != running.incarnation


@pytest.mark.parametrize("act", [lambda control: control.host_reboot(), lambda control: control.unreachable(cut=True)])
def test_listeners_are_told_when_the_connection_breaks(host: SimulatorDriver, control: Control, act) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a call of Control
    with watching(host, within=20) as watch:
        act(control)
        problem = eventually(lambda: watch.problem, within=20, what="the listener hears of it")
        assert problem is not None
        assert (problem.reason, problem.verdict) == ("HypervisorUnreachable", Verdict.RETRY)


def test_an_unreachable_host_answers_nothing_and_its_guests_go_on(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    running = host.ensure_running(plan, fresh=True, start=1)
    control.unreachable(cut=True)
    for call in (
        host.prepare,
        host.inventory,
        host.leftovers,
        lambda: host.observe(plan.uid),
        lambda: host.ensure_running(plan, fresh=False, start=2),
        lambda: host.ensure_removed(plan.uid),
        lambda: host.console(plan.uid, limit=10),
        lambda: next(host.changes(threading.Event())),
    ):
        with pytest.raises(Problem) as caught:
            call()
        assert (caught.value.reason, caught.value.verdict) == ("HypervisorUnreachable", Verdict.RETRY)
    control.unreachable(cut=False)
    assert host.observe(plan.uid).incarnation == running.incarnation


def test_an_image_that_is_not_qcow2_is_refused(host: SimulatorDriver) -> None:
    plan = new_plan(image="f" * 32)
    (host.images / f"{plan.image}.qcow2").write_bytes(b"not an image at all, but long enough for a header")
    with pytest.raises(Problem) as caught:
        host.ensure_defined(plan, fresh=True)
    assert (caught.value.reason, caught.value.verdict) == ("ImageCorrupt", Verdict.TERMINAL)
    assert host.leftovers() == []


def test_the_disk_may_be_exactly_as_large_as_its_image(host: SimulatorDriver) -> None:
    image = cache_image(host.images, "e" * 32, virtual_size=10 * 2**30)
    assert host.ensure_defined(new_plan(image=image, disk=10 * 2**30), fresh=True).power is Power.OFF
    with pytest.raises(Problem, match="needs 10 GiB"):
        host.ensure_defined(new_plan(image=image, disk=10 * 2**30 - 1), fresh=True)


def test_a_changed_size_reaches_the_domain_and_leaves_the_disk(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    host.ensure_defined(plan, fresh=True)
    disk = control.disk(plan.uid)
    larger = plan.model_copy(update={"cpus": 4, "max_cpus": 4, "memory": 2**30, "max_memory": 2**30})
    host.ensure_defined(larger, fresh=False)
    assert control.plan(plan.uid) == larger
    assert control.disk(plan.uid) == disk


def test_a_host_whose_image_cache_is_gone_has_no_unfinished_imports(host: SimulatorDriver) -> None:
    shutil.rmtree(host.images)
    assert host.leftovers() == []


def test_a_lost_seed_is_made_again(host: SimulatorDriver, simulator: SimulatorSpec, control: Control) -> None:
    plan = new_plan(user_data="#cloud-config\n")
    host.ensure_defined(plan, fresh=True)
    store = Store(Path(simulator.directory))
    with store.writing() as db:
        volumes.delete(db, volumes.seed(plan.uid))
    store.close()
    assert control.seed(plan.uid) == {}
    host.ensure_defined(plan, fresh=False)
    assert control.seed(plan.uid) == {"user_data": "#cloud-config\n", "hostname": "guest"}


def test_nothing_can_happen_to_a_guest_that_is_not_there(host: SimulatorDriver, control: Control) -> None:
    with pytest.raises(LookupError, match="is not there"):
        control.panic("nobody")
    with pytest.raises(LookupError, match="no guest"):
        control.plan("nobody")
