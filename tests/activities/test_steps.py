"""The steps of one hypervisor: what they tell, and how a long one is stopped."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment

from activities import heartbeats
from activities.hypervisor import HypervisorActivities
from activities.told import News, Told
from domain.guest import GuestPlan, Power, default_mac
from domain.image import ImageSource, ImportProgress, image_key
from domain.problem import Problem
from domain.run_strategy import LIVE, Operation
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind, Moment
from images.policy import FetchPolicy
from manifests.contract import BuildOrder, ConsoleRequest, FitOrder, LiveOrder, StopOrder
from tests.disks import empty_qcow2
from tests.image_server import ImageServer

POLICY = FetchPolicy(allowed_networks=("127.0.0.0/8",))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def steps(driver: SimulatorDriver, told: Told) -> HypervisorActivities:
    return HypervisorActivities(driver, POLICY, told)


@pytest.fixture
def order(steps: HypervisorActivities) -> BuildOrder:
    """An order for a guest whose image is cached."""
    with ImageServer() as server:
        source = ImageSource(url=server.serve("/disk.qcow2", empty_qcow2()))
        key = image_key("team", source)
        facts = ActivityEnvironment().run(steps.import_image, key, source)
    assert facts.virtual_size == 2**30
    uid = "2b7a2f6e-0000-4000-8000-000000000001"
    return BuildOrder(
        plan=GuestPlan(
            uid=uid,
            name="domain",
            owner="team/vm",
            hostname="vm",
            cpus=1,
            memory=2**28,
            max_cpus=2,
            max_memory=2**29,
            disk=2**32,
            image=key,
            mac=default_mac(uid),
        ),
        fresh=True,
    )


def test_what_a_step_returns_is_no_news(
    steps: HypervisorActivities, order: BuildOrder, told: Told, driver: SimulatorDriver
) -> None:
    run, uid = ActivityEnvironment().run, order.plan.uid
    assert run(steps.ensure_defined, order).power is Power.OFF
    assert told.news(driver.observe(uid)) is News.NONE
    running = run(steps.ensure_running, order)
    assert told.news(driver.observe(uid)) is News.NONE
    assert run(steps.observe, uid) == running
    assert "Linux version" in run(steps.read_console, ConsoleRequest(hypervisor="host", uid=uid))
    stopped = run(steps.ensure_stopped, StopOrder(uid=uid, incarnation=running.incarnation, grace=0))
    assert (stopped.power, told.news(stopped)) == (Power.OFF, News.NONE)
    run(steps.ensure_removed, uid)
    assert told.news(driver.observe(uid)) is News.NONE


def live(operation: Operation, incarnation: str, uid: str, request: str = "one") -> LiveOrder:
    return LiveOrder(uid=uid, incarnation=incarnation, operation=operation, request=request)


def test_a_live_operation_is_carried_out_on_its_incarnation_and_told(
    steps: HypervisorActivities, order: BuildOrder, told: Told, driver: SimulatorDriver
) -> None:
    run, uid = ActivityEnvironment().run, order.plan.uid
    incarnation = run(steps.ensure_running, order).incarnation
    paused = run(steps.ensure_ordered, live(Operation.PAUSE, incarnation, uid))
    assert (paused.power, paused.incarnation) == (Power.PAUSED, incarnation)
    resumed = run(steps.ensure_ordered, live(Operation.UNPAUSE, incarnation, uid))
    assert resumed.power is Power.RUNNING
    for request, operation in (("soft", Operation.SOFT_REBOOT), ("hard", Operation.RESET)):
        rebooted = run(steps.ensure_ordered, live(operation, incarnation, uid, request))
        assert (rebooted.incarnation, rebooted.reboot) == (incarnation, request)
    assert told.news(driver.observe(uid)) is News.NONE


@pytest.mark.parametrize(
    ("operation", "stubborn", "reboots"), [(Operation.SOFT_REBOOT, True, 0), (Operation.RESET, True, 1)]
)
def test_a_reset_does_not_ask_the_guest(
    steps: HypervisorActivities,
    order: BuildOrder,
    host: Control,
    operation: Operation,
    stubborn: bool,  # noqa: FBT001 - a case
    reboots: int,
) -> None:
    run, uid = ActivityEnvironment().run, order.plan.uid
    incarnation = run(steps.ensure_running, order).incarnation
    host.make_stubborn(uid, stubborn=stubborn)
    run(steps.ensure_ordered, live(operation, incarnation, uid))
    text = run(steps.read_console, ConsoleRequest(hypervisor="host", uid=uid))
    assert text.count("reboot: Restarting system") == reboots


@pytest.mark.parametrize("operation", sorted(LIVE))
def test_a_live_operation_leaves_another_incarnation_alone(
    steps: HypervisorActivities, order: BuildOrder, driver: SimulatorDriver, operation: Operation
) -> None:
    run = ActivityEnvironment().run
    running = run(steps.ensure_running, order)
    seen = run(steps.ensure_ordered, live(operation, "another", order.plan.uid))
    assert seen == running == driver.observe(order.plan.uid)


def test_a_running_guest_is_fitted_and_its_vm_told(
    steps: HypervisorActivities, order: BuildOrder, told: Told, driver: SimulatorDriver
) -> None:
    run = ActivityEnvironment().run
    incarnation = run(steps.ensure_running, order).incarnation
    wanted = order.plan.model_copy(update={"memory": 2**29, "cpus": 2, "disk": 2**33, "tcp": (443, 80)})
    fitted = run(steps.ensure_fitted, FitOrder(plan=wanted, incarnation=incarnation))
    assert (fitted.shape, fitted.incarnation) == (wanted.shape, incarnation)
    assert told.news(driver.observe(order.plan.uid)) is News.NONE


def test_a_power_on_happens_once_for_one_number(steps: HypervisorActivities, order: BuildOrder, host: Control) -> None:
    run = ActivityEnvironment().run
    first = run(steps.ensure_running, order)
    host.power_off_from_inside(order.plan.uid)
    again = run(steps.ensure_running, order)
    assert (first.start, again.power, again.start) == (1, Power.OFF, 1)
    second = run(steps.ensure_running, order.model_copy(update={"start": 2}))
    assert (second.power, second.start) == (Power.RUNNING, 2)


def test_what_a_step_did_and_could_not_say_is_news(
    steps: HypervisorActivities, order: BuildOrder, told: Told, driver: SimulatorDriver, host: Control
) -> None:
    host.faults.inject(Fault(call="ensure_running", kind=Kind.LOST_REPLY))
    with pytest.raises(Problem):
        ActivityEnvironment().run(steps.ensure_running, order)
    assert told.news(driver.observe(order.plan.uid)) is News.URGENT
    assert not told.busy(order.plan.uid)


def test_a_guest_is_busy_while_a_step_works_on_it(
    steps: HypervisorActivities, order: BuildOrder, told: Told, host: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "INTERVAL", 0.01)
    rule = host.faults.inject(Fault(call="ensure_running", kind=Kind.HANG, moment=Moment.AFTER, times=None))
    seen: list[bool] = []

    def on_heartbeat(*_: object) -> None:
        if host.faults.firings(rule):
            seen.append(told.busy(order.plan.uid))
            host.faults.withdraw(rule)

    environment = ActivityEnvironment()
    environment.on_heartbeat = on_heartbeat
    environment.run(steps.ensure_running, order)
    assert seen[0] is True
    assert not told.busy(order.plan.uid)


def test_an_attempt_to_stop_a_guest_goes_on_with_the_grace_that_is_left(
    steps: HypervisorActivities, order: BuildOrder, host: Control
) -> None:
    running = ActivityEnvironment().run(steps.ensure_running, order)
    host.make_stubborn(order.plan.uid)
    rule = host.faults.inject(Fault(call="ensure_stopped.ask", kind=Kind.WITNESS))
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_details=[time.time() - 100])
    stop = StopOrder(uid=order.plan.uid, incarnation=running.incarnation, grace=60)
    assert environment.run(steps.ensure_stopped, stop).power is Power.OFF
    assert not host.faults.firings(rule), "it has been asked long enough"


async def test_a_cancelled_stop_leaves_the_guest_running(
    steps: HypervisorActivities, order: BuildOrder, driver: SimulatorDriver, host: Control
) -> None:
    running = ActivityEnvironment().run(steps.ensure_running, order)
    host.make_stubborn(order.plan.uid)
    environment = ActivityEnvironment()
    stop = StopOrder(uid=order.plan.uid, incarnation=running.incarnation, grace=60)
    rule = host.faults.inject(Fault(call="ensure_stopped.ask", kind=Kind.WITNESS))
    stopping = asyncio.create_task(asyncio.to_thread(environment.run, steps.ensure_stopped, stop))
    async with asyncio.timeout(10):
        while not host.faults.firings(rule):  # noqa: ASYNC110 - the event is in another process's reach: a file
            await asyncio.sleep(0.01)
    environment.cancel()
    with pytest.raises(CancelledError):
        await stopping
    assert driver.observe(order.plan.uid) == running


def test_an_import_heartbeats_how_far_it_is(
    steps: HypervisorActivities, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(heartbeats, "INTERVAL", 0.01)
    stages: set[str] = set()

    def on_heartbeat(*progress: ImportProgress) -> None:
        stages.update(each.stage for each in progress)

    environment = ActivityEnvironment()
    environment.on_heartbeat = on_heartbeat
    with ImageServer(rate=400_000) as server:
        source = ImageSource(url=server.serve("/disk.qcow2", empty_qcow2()))
        key = image_key("team", source)
        environment.run(steps.import_image, key, source)
    assert "downloading" in stages
    environment.run(steps.remove_image, key)
    assert not (tmp_path / "host" / "images" / f"{key}.qcow2").exists()
