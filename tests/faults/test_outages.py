"""Rows 22 and 23: the Temporal server killed under VMs at work, and guests that change while no worker is there.

An hour without workers differs from a minute in nothing but its length: what the server keeps, it keeps. The minute is
as long as it takes until commands notice that nobody serves.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.registry import kind_called
from tests.cli.saying import is_one_line
from tests.e2e.audit import goes_without_a_trace, one_of_everything
from tests.e2e.stacks import WORKERS, eventually
from tests.e2e.tenant import VM, Tenant
from tests.faults.inside import POWER_OFF, REBOOT, Inside
from tests.image_server import ImageServer


@pytest.mark.xdist_group("faults")
async def test_fault_22_every_vm_goes_on_when_the_temporal_server_is_killed_in_the_middle_of_everything(
    simulated: Tenant, images: ImageServer
) -> None:
    url = images.url + "/disk.qcow2"
    uids = {name: await simulated.apply(simulated.vm(url, name=name)) for name in ("runs", "stops", "restarts")}
    for name in uids:
        await simulated.until_ready(name)
    before = await simulated.status("runs")
    asked = [simulated.vmflow("stop", "stops"), simulated.vmflow("restart", "restarts")]
    assert [each.code for each in await asyncio.gather(*asked)] == [0, 0]
    uids["new"] = await simulated.apply(simulated.vm(url, name="new"))
    await simulated.stack.kill("temporal")
    await simulated.stack.up()

    await simulated.until_ready("new")
    await simulated.until_status("Stopped", "stops")
    await simulated.until_ran("restarts", 1)
    after = await simulated.status("runs")
    assert (after["vm"], after["exits"]) == (before["vm"], 0)
    await one_of_everything(simulated, **uids)
    await goes_without_a_trace(simulated, *uids)


@pytest.mark.qemu
@pytest.mark.xdist_group("qemu")
async def test_fault_23_with_every_worker_down_everything_is_shown_and_on_their_return_every_vm_is_looked_at(
    qemu: Tenant, images: ImageServer, tiny: Path, figure: Callable[[str], None]
) -> None:
    image = images.serve("/tiny.qcow2", tiny)
    names = {"deleted": "Halted", "off": "Always", "killed": "RerunOnFailure", "gone": "Always", "rebooted": "Always"}
    uids = {name: await qemu.apply(qemu.vm(image, name=name, runStrategy=each)) for name, each in names.items()}
    await qemu.until_status("Stopped", "deleted")
    ends = {"off": 1, "killed": 1, "gone": 1, "rebooted": 0}
    before = {name: (await qemu.until_ready(name))["vm"] for name in ends}
    guests = {name: Inside(qemu, uid) for name, uid in uids.items()}

    await qemu.stack.kill(*WORKERS)
    began = time.monotonic()
    await guests["off"].run(POWER_OFF)
    await guests["rebooted"].run(REBOOT)
    await guests["killed"].kill_qemu()
    await guests["gone"].undefine()
    assert (await qemu.vmflow("delete", "vs", "deleted", "--no-wait")).code == 0
    assert is_one_line(await qemu.vmflow("start", "deleted"), "Unavailable")
    await _told_that_nobody_serves(qemu, set(names))
    figure(f"commands say that no worker serves {time.monotonic() - began:.0f} s after the kill")

    await qemu.stack.up()
    for name, exits in ends.items():
        status = await qemu.until_ran(name, exits)
        assert (status["vm"]["incarnation"] == before[name]["incarnation"]) == (exits == 0)
    assert (await qemu.vmflow("wait", "deleted", "--for=deleted", "--timeout=120")).code == 0
    del uids["deleted"]
    await one_of_everything(qemu, **uids)
    await goes_without_a_trace(qemu, *uids)


async def _told_that_nobody_serves(qemu: Tenant, names: set[str]) -> None:
    """See that every VM is shown all the time, and that it is said when nobody keeps that up to date."""

    async def told() -> bool:
        shown = await qemu.vmflow("get", "vs", "-o", "name")
        assert shown.code == 0
        assert {line.removeprefix("virtualserver/") for line in shown.out.splitlines()} == names
        return shown.err == (
            "Warning: no worker serves lifecycle: this is what was last known; start one (vmflow up)\n"
        )

    await eventually(told, "it is said that no worker serves", every=2)
    why = (await qemu.vmflow("why", "off")).out
    assert why.startswith("off is Running (GuestBooted)\n")
    assert "no worker serves lifecycle and hypervisor:local" in why
    assert await qemu.objects.get(VM, "gone", qemu.namespace)
    assert (await qemu.objects.get(kind_called("hypervisors"), "local"))["status"]
