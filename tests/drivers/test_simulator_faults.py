"""Injected faults: they strike where the rule says, they are recorded, and every life survives them."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from domain.guest import GuestPlan, Power
from domain.hypervisor import SimulatorSpec
from domain.problem import Problem, Verdict
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Firing, Kind, Moment
from drivers.simulator.steps import STEPS
from drivers.simulator.store import Store
from tests.drivers.simulator_host import live, new_plan, run_guest
from tests.drivers.waiting import eventually

_OF_A_CLEAN_LIFE = tuple(step for step in STEPS if step != "ensure_removed.partial")
"""Nothing partial is there to be removed unless an attempt was cut off."""


def worker(do: Callable[[SimulatorSpec, GuestPlan], None], spec: SimulatorSpec, plan: GuestPlan) -> ForkServerProcess:
    """Start another worker's process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.drivers.simulator_host"])
    process = context.Process(target=do, args=(spec, plan))
    process.start()
    return process


def ending(process: ForkServerProcess) -> int | None:
    """Return how a worker's process ended; one that does not end is killed."""
    process.join(60)
    code = process.exitcode
    process.kill()
    process.join()
    process.close()
    return code


def happened(spec: SimulatorSpec, what: str) -> int:
    """Count how often something happened to guests, by the host's journal."""
    store = Store(Path(spec.directory))
    with store.reading() as db:
        (times,) = db.execute("SELECT count(*) FROM journal WHERE what = ?", (what,)).fetchone()
    store.close()
    return int(times)


def test_an_error_before_the_effect_leaves_nothing(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    rule = control.faults.inject(
        Fault(call="ensure_running", kind=Kind.ERROR, reason="DiskFull", verdict=Verdict.TERMINAL),
    )
    with pytest.raises(Problem) as caught:
        host.ensure_running(plan, fresh=True, start=1)
    assert (caught.value.reason, caught.value.verdict) == ("DiskFull", Verdict.TERMINAL)
    assert host.observe(plan.uid).power is Power.ABSENT
    assert control.faults.firings(rule) == [
        Firing(fault=rule, call="ensure_running", uid=plan.uid, moment=Moment.BEFORE, pid=os.getpid()),
    ]


def test_a_lost_reply_leaves_the_effect(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    rule = control.faults.inject(Fault(call="ensure_running", kind=Kind.LOST_REPLY))
    with pytest.raises(Problem) as caught:
        host.ensure_running(plan, fresh=True, start=1)
    assert (caught.value.reason, caught.value.verdict) == ("HypervisorUnreachable", Verdict.RETRY)
    assert host.observe(plan.uid).power is Power.RUNNING
    assert [firing.moment for firing in control.faults.firings(rule)] == [Moment.AFTER]


def test_an_error_after_a_step_leaves_that_step_done(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    control.faults.inject(Fault(call="ensure_defined.disk", moment=Moment.AFTER, kind=Kind.ERROR))
    with pytest.raises(Problem):
        host.ensure_running(plan, fresh=True, start=1)
    disk = control.disk(plan.uid)
    assert disk
    assert host.observe(plan.uid).power is Power.ABSENT
    host.ensure_running(plan, fresh=True, start=1)
    assert control.disk(plan.uid) == disk


def test_a_fault_fires_as_often_as_it_says(host: SimulatorDriver, control: Control) -> None:
    rule = control.faults.inject(Fault(call="inventory", kind=Kind.ERROR, times=2))
    for _ in range(2):
        with pytest.raises(Problem):
            host.inventory()
    assert host.inventory() == []
    assert len(control.faults.firings(rule)) == 2


def test_a_fault_without_a_number_of_times_fires_until_it_is_withdrawn(host: SimulatorDriver, control: Control) -> None:
    rule = control.faults.inject(Fault(call="inventory", kind=Kind.ERROR, times=None))
    for _ in range(3):
        with pytest.raises(Problem):
            host.inventory()
    control.faults.withdraw(rule)
    assert host.inventory() == []


def test_a_fault_can_mean_one_guest(host: SimulatorDriver, control: Control) -> None:
    meant, other = new_plan(), new_plan()
    control.faults.inject(Fault(call="ensure_running.start", uid=meant.uid, kind=Kind.ERROR))
    assert host.ensure_running(other, fresh=True, start=1).power is Power.RUNNING
    with pytest.raises(Problem):
        host.ensure_running(meant, fresh=True, start=1)


def test_threads_do_not_use_one_firing_twice(host: SimulatorDriver, control: Control) -> None:
    rule = control.faults.inject(Fault(call="observe", kind=Kind.ERROR, times=5))

    def struck(_: int) -> bool:
        try:
            host.observe("nobody")
        except Problem:
            return True
        return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(struck, range(100))) == 5
    assert len(control.faults.firings(rule)) == 5


def test_a_call_hangs_until_its_fault_is_withdrawn(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    rule = control.faults.inject(Fault(call="ensure_running", moment=Moment.AFTER, kind=Kind.HANG))
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(host.ensure_running, plan, fresh=True, start=1)
        eventually(lambda: control.faults.firings(rule), within=20, what="the call hangs")
        assert host.observe(plan.uid).power is Power.RUNNING
        assert not hanging.done()
        control.faults.withdraw(rule)
        assert hanging.result(20).power is Power.RUNNING


def test_a_guest_that_is_removed_while_it_is_started_stays_removed(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    rule = control.faults.inject(Fault(call="ensure_running.start", kind=Kind.HANG))
    with ThreadPoolExecutor(1) as threads:
        starting = threads.submit(host.ensure_running, plan, fresh=True, start=1)
        eventually(lambda: control.faults.firings(rule), within=20, what="the start hangs")
        host.ensure_removed(plan.uid)
        control.faults.withdraw_all()
        with pytest.raises(Problem) as caught:
            starting.result(20)
    assert (caught.value.reason, caught.value.verdict) == ("DomainVanished", Verdict.RETRY)
    assert (host.inventory(), host.leftovers()) == ([], [])


def test_an_attempt_that_lags_behind_does_not_replace_a_disk(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    rule = control.faults.inject(Fault(call="ensure_defined.partial", kind=Kind.HANG))
    with ThreadPoolExecutor(1) as threads:
        lagging = threads.submit(host.ensure_defined, plan, fresh=True)
        eventually(lambda: control.faults.firings(rule), within=20, what="the first attempt hangs")
        host.ensure_defined(plan, fresh=True)
        control.write_disk(plan.uid)
        disk = control.disk(plan.uid)
        control.faults.withdraw(rule)
        lagging.result(20)
    assert control.disk(plan.uid) == disk
    assert host.leftovers() == []


def test_a_hanging_stop_ends_when_its_beat_raises(host: SimulatorDriver, control: Control) -> None:
    plan = new_plan()
    running = host.ensure_running(plan, fresh=True, start=1)
    control.faults.inject(Fault(call="ensure_stopped", kind=Kind.HANG))

    def beat() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        host.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=beat)
    assert host.observe(plan.uid).incarnation == running.incarnation


def test_a_hanging_call_ends_when_its_driver_is_closed(simulator: SimulatorSpec, control: Control) -> None:
    driver = SimulatorDriver(simulator)
    driver.prepare()
    rule = control.faults.inject(Fault(call="inventory", kind=Kind.HANG))
    failed: list[Problem] = []

    def hang() -> None:
        try:
            driver.inventory()
        except Problem as problem:
            failed.append(problem)

    thread = threading.Thread(target=hang)
    thread.start()
    eventually(lambda: control.faults.firings(rule), within=20, what="the call hangs")
    driver.close()
    thread.join(20)
    assert [problem.reason for problem in failed] == ["HypervisorUnreachable"]


def test_a_clean_life_takes_every_step_there_is(simulator: SimulatorSpec, control: Control) -> None:
    plan = new_plan()
    witness = control.faults.inject(Fault(kind=Kind.WITNESS, uid=plan.uid, moment=Moment.AFTER, times=None))
    live(simulator, plan)
    taken = {firing.call for firing in control.faults.firings(witness)}
    assert {call for call in taken if "." in call} == set(_OF_A_CLEAN_LIFE)


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("step", _OF_A_CLEAN_LIFE)
def test_a_worker_killed_at_any_step_is_followed_by_one_that_finishes(
    host: SimulatorDriver,
    simulator: SimulatorSpec,
    control: Control,
    step: str,
    moment: Moment,
) -> None:
    plan = new_plan()
    rule = control.faults.inject(Fault(call=step, moment=moment, kind=Kind.CRASH))
    assert ending(worker(live, simulator, plan)) == -signal.SIGKILL
    (firing,) = control.faults.firings(rule)
    assert (firing.call, firing.moment) == (step, moment)
    assert firing.pid != os.getpid()
    live(simulator, plan)
    assert (host.inventory(), host.leftovers()) == ([], [])
    if not step.startswith("ensure_removed"):  # a removal forgets what was done; then the second life is another
        assert happened(simulator, "started") == 3
        assert happened(simulator, "rebooted") == 2


@pytest.mark.parametrize("moment", Moment)
def test_a_removal_killed_at_a_partial_file_is_finished_by_the_next(
    host: SimulatorDriver,
    simulator: SimulatorSpec,
    control: Control,
    moment: Moment,
) -> None:
    plan = new_plan()
    control.faults.inject(Fault(call="ensure_defined.disk", kind=Kind.ERROR))
    with pytest.raises(Problem):
        host.ensure_defined(plan, fresh=True)
    assert host.leftovers() == [f"{plan.uid}.root.qcow2.partial"]
    rule = control.faults.inject(Fault(call="ensure_removed.partial", moment=moment, kind=Kind.ERROR))
    with pytest.raises(Problem):
        host.ensure_removed(plan.uid)
    assert len(control.faults.firings(rule)) == 1
    host.ensure_removed(plan.uid)
    assert host.leftovers() == []


def test_guests_outlive_the_worker_that_started_them(
    host: SimulatorDriver,
    simulator: SimulatorSpec,
) -> None:
    plan = new_plan()
    assert ending(worker(run_guest, simulator, plan)) == 0
    seen = host.observe(plan.uid)
    assert seen.booted
    assert host.ensure_running(plan, fresh=False, start=2) == seen


def test_workers_that_run_one_guest_at_once_leave_one_incarnation(
    host: SimulatorDriver,
    simulator: SimulatorSpec,
    control: Control,
) -> None:
    plan = new_plan()
    started = control.faults.inject(Fault(call="ensure_running.start", kind=Kind.HANG, times=None))
    workers = [worker(run_guest, simulator, plan) for _ in range(3)]
    eventually(lambda: len(control.faults.firings(started)) == 3, within=60, what="three workers are about to start it")
    control.faults.withdraw(started)
    assert [ending(each) for each in workers] == [0, 0, 0]
    assert happened(simulator, "started") == 1
    assert host.leftovers() == []
