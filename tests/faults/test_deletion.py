"""Rows 15, 16 and 17: deleting twice, deleting out of reach, and deletions that are killed in the middle.

On the simulator, with real workers as processes: its host can be cut off, and kills a worker at any step of a removal.
Its steps are libvirt's: power off, forget the domain, then its files one by one.
"""

import asyncio
from collections.abc import Iterator

import pytest

from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind, Moment
from manifests.contract import Signal
from tests.cli.saying import error
from tests.e2e.attempts import attempts_of
from tests.e2e.audit import goes_without_a_trace, one_of_everything
from tests.e2e.stacks import eventually
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer

pytestmark = pytest.mark.xdist_group("faults")

REMOVAL = ("power_off", "domain", "disk", "seed")
"""The steps of removing a guest that is paused, in their order: one that runs is shut down before."""


@pytest.fixture
def host(simulated: Tenant) -> Iterator[Control]:
    """The simulated host's back door; whatever a test did to the host is taken back."""
    control = Control(simulated.stack.folder)
    yield control
    control.faults.withdraw_all()
    control.unreachable(cut=False)
    control.close()


async def running(simulated: Tenant, images: ImageServer) -> str:
    """Run a VM called web, and see that there is one of everything; return its UID."""
    uid = await simulated.apply(simulated.vm(images.url + "/disk.qcow2"))
    await simulated.until_ready()
    await one_of_everything(simulated, web=uid)
    return uid


async def test_fault_15_deleting_twice_at_once_is_deleting_once(simulated: Tenant, images: ImageServer) -> None:
    await running(simulated, images)
    both = await asyncio.gather(*(simulated.vmflow("delete", "vs", "web", "--ignore-not-found") for _ in range(2)))
    assert [each.code for each in both] == [0, 0], both
    handle = simulated.objects.client.get_workflow_handle(simulated.workflow())
    assert await handle.result() == "deleted; nothing is left"
    await goes_without_a_trace(simulated)


async def test_fault_15_a_second_delete_while_the_first_is_at_work_changes_nothing(
    simulated: Tenant, images: ImageServer, host: Control
) -> None:
    uid = await running(simulated, images)
    hanging = host.faults.inject(Fault(call="ensure_removed", uid=uid, kind=Kind.HANG))
    handle = simulated.objects.client.get_workflow_handle(simulated.workflow())
    for _ in range(3):
        await handle.signal(Signal.DELETE)
    status = await simulated.until_status("Terminating")
    assert status["printableStatus"] == "Terminating"
    host.faults.withdraw(hanging)
    assert await handle.result() == "deleted; nothing is left"
    await goes_without_a_trace(simulated)


async def test_fault_15_deleting_what_is_gone_says_so_and_is_a_success_for_whoever_does_not_mind(
    simulated: Tenant, images: ImageServer
) -> None:
    await running(simulated, images)
    assert (await simulated.vmflow("delete", "vs", "web")).code == 0
    again = await simulated.vmflow("delete", "vs", "web")
    assert (again.code, again.err) == (1, f"{error('NotFound')}virtualservers 'web' not found\n")
    assert (await simulated.vmflow("delete", "vs", "web", "--ignore-not-found")).code == 0
    await goes_without_a_trace(simulated)


async def test_fault_16_deleting_with_the_hypervisor_unreachable_stays_terminating_and_finishes_on_its_return(
    simulated: Tenant, images: ImageServer, host: Control
) -> None:
    await running(simulated, images)
    host.unreachable(cut=True)
    late = await simulated.vmflow("delete", "vs", "web", "--timeout", "1")
    assert (late.code, late.err.startswith("Error (Timeout): ")) == (1, True), late
    status = await simulated.until(
        lambda status: status["reason"] in {"HypervisorUnreachable", "HypervisorLost"}, "the VM says what it waits for"
    )
    assert status["printableStatus"] == "Terminating"
    assert "cannot be reached" in (await simulated.vmflow("why", "web")).out
    host.unreachable(cut=False)
    assert (await simulated.vmflow("wait", "web", "--for=deleted", "--timeout=120")).code == 0
    await goes_without_a_trace(simulated)


@pytest.mark.parametrize("step", REMOVAL)
async def test_fault_17_a_removal_killed_between_two_of_its_steps_is_finished_by_the_next_worker(
    simulated: Tenant, images: ImageServer, host: Control, step: str
) -> None:
    uid = await running(simulated, images)
    assert (await simulated.vmflow("pause", "web")).code == 0
    await simulated.until_status("Paused")
    fault = host.faults.inject(Fault(call=f"ensure_removed.{step}", uid=uid, moment=Moment.AFTER, kind=Kind.CRASH))
    handle = simulated.objects.client.get_workflow_handle(simulated.workflow())
    assert (await simulated.vmflow("delete", "vs", "web", "--no-wait")).code == 0

    async def killed() -> bool:
        return simulated.stack.processes.running("hypervisor") is None

    await eventually(killed, f"the worker is killed after {step}")
    (struck,) = host.faults.firings(fault)
    assert (struck.call, struck.uid) == (f"ensure_removed.{step}", uid)
    await simulated.stack.up()
    assert await handle.result() == "deleted; nothing is left"
    assert await attempts_of(handle, "ensure_removed") == [2]
    await goes_without_a_trace(simulated)
