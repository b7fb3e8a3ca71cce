"""The steps of one hypervisor: what they tell, and how a long one is stopped."""

import asyncio
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
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind, Moment
from images.policy import FetchPolicy
from manifests.contract import BuildOrder, ConsoleRequest, StopOrder
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

    def on_heartbeat(progress: ImportProgress) -> None:
        stages.add(progress.stage)

    environment = ActivityEnvironment()
    environment.on_heartbeat = on_heartbeat
    with ImageServer(rate=400_000) as server:
        source = ImageSource(url=server.serve("/disk.qcow2", empty_qcow2()))
        key = image_key("team", source)
        environment.run(steps.import_image, key, source)
    assert "downloading" in stages
    environment.run(steps.remove_image, key)
    assert not (tmp_path / "host" / "images" / f"{key}.qcow2").exists()
