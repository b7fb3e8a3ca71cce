"""Rows 4, 5 and 6 on real QEMU: libvirt's daemon killed, away for a while, and the whole host without power.

The host is a libvirt of its own with its guests. For a host that loses its power, the daemon and every guest are killed
in one moment, what lies in /run is gone, and the daemon is started again: what a worker that runs elsewhere meets. How
long the daemon is away changes nothing but the number of attempts: minutes are played by as long as it takes until the
VMs have given up trying at once.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from manifests.registry import kind_called
from tests.e2e.answers import answer
from tests.e2e.attempts import attempts
from tests.e2e.audit import goes_without_a_trace, one_of_everything
from tests.e2e.stacks import Status, eventually
from tests.e2e.tenant import WEB, Tenant
from tests.faults.stack import FragileStack
from tests.image_server import ImageServer

pytestmark = [pytest.mark.qemu, pytest.mark.xdist_group("fragile")]

PORTS = {"network": {"tcp": [80]}}
LONG = 240.0
"""Seconds until everybody has noticed that a hypervisor is back: a minute by the rule, more on a busy machine."""


@pytest.fixture
def image(images: ImageServer, tiny: Path) -> str:
    return images.serve("/tiny.qcow2", tiny)


async def boot(fragile: Tenant, image: str, *names: str, **spec: Any) -> dict[str, str]:
    """Run VMs; return their UIDs by name."""
    uids = {name: await fragile.apply(fragile.vm(image, name=name, **spec)) for name in names}
    for name in names:
        await fragile.until_ready(name)
    return uids


def door(status: Status) -> str:
    """Return where on the host a guest's web server is reached."""
    (forward,) = status["forwards"]
    return f"127.0.0.1:{forward['hostPort']}"


async def hypervisor_is(fragile: Tenant, word: str, reason: str) -> None:
    async def so() -> bool:
        status = (await fragile.objects.get(kind_called("hypervisors"), "local"))["status"]
        return (status["printableStatus"], status["reason"]) == (word, reason)

    await eventually(so, f"the hypervisor is {word} ({reason})", within=LONG)


async def held(fragile: Tenant, name: str, word: str) -> Status:
    """Wait until a VM says that its hypervisor is what it waits for; return its status."""
    out_of_reach = {"HypervisorUnreachable", "HypervisorLost"}
    return await fragile.until(
        lambda status: status["printableStatus"] == word and status["reason"] in out_of_reach,
        f"{name} is {word}, for its hypervisor is out of reach",
        name,
    )


async def test_fault_04_libvirtd_killed_in_mid_call_and_started_again_is_met_by_the_next_attempt(
    fragile: Tenant, fragile_stack: FragileStack, image: str
) -> None:
    uids = await boot(fragile, image, "web", cloudInit=WEB, **PORTS)
    status, pids = await fragile.status(), fragile_stack.guest(uids["web"])
    assert await answer(door(status)) == "hello from web\n"
    uids["other"] = await fragile.apply(fragile.vm(image, name="other"))

    async def building() -> bool:
        return any(name.startswith(f"volumes/{uids['other']}.") for name in fragile.files())

    await eventually(building, "the other guest's first file is there", every=0.002)
    await asyncio.to_thread(fragile_stack.kill_libvirtd)
    assert await answer(door(status)) == "hello from web\n", "the guest does without"
    await asyncio.to_thread(fragile_stack.start_libvirtd)

    await fragile.until_ready("other")
    assert max(await attempts(fragile, "other", "ensure_running")) > 1, "the kill has struck the call"
    after = await fragile.until_ready("web")
    assert (after["vm"], after["exits"], fragile_stack.guest(uids["web"])) == (status["vm"], 0, pids)
    assert await answer(door(after)) == "hello from web\n"
    await one_of_everything(fragile, **uids)
    await goes_without_a_trace(fragile, *uids)


async def test_fault_05_libvirtd_away_is_shown_stop_and_delete_are_accepted_and_finish_on_its_return(
    fragile: Tenant, fragile_stack: FragileStack, image: str
) -> None:
    uids = await boot(fragile, image, "stays", "stops", "goes", cloudInit=WEB, **PORTS)
    before = await fragile.status("stays")
    await asyncio.to_thread(fragile_stack.kill_libvirtd)

    stopped = await fragile.vmflow("stop", "stops")
    assert (stopped.code, stopped.out) == (0, "virtualserver/stops stop accepted; run strategy Halted\n")
    assert (await fragile.vmflow("delete", "vs", "goes", "--no-wait")).code == 0
    await hypervisor_is(fragile, "NotReady", "HypervisorUnreachable")
    for name, word in (("stays", "Unknown"), ("stops", "Unknown"), ("goes", "Terminating")):
        status = await held(fragile, name, word)
        assert status["vm"]["power"] == "Running", "nothing is concluded from silence"
    ready = next(each for each in (await fragile.status("stays"))["conditions"] if each["type"] == "Ready")
    assert ready["status"] == "Unknown"
    assert await answer(door(before)) == "hello from stays\n"
    for uid in uids.values():
        assert len(fragile_stack.guest(uid)) == 1, "nothing happened to the guests meanwhile"

    await asyncio.to_thread(fragile_stack.start_libvirtd)
    await hypervisor_is(fragile, "Ready", "Watching")
    await fragile.until_status("Stopped", "stops")
    assert (await fragile.vmflow("wait", "goes", "--for=deleted", "--timeout=120")).code == 0
    after = await fragile.until_ready("stays")
    assert (after["vm"], after["exits"]) == (before["vm"], 0), "the guest has not noticed"
    del uids["goes"]
    await one_of_everything(fragile, **uids)
    await goes_without_a_trace(fragile, *uids)


async def test_fault_06_after_a_host_reboot_what_is_wanted_starts_once_and_the_rest_stays_off(
    fragile: Tenant, fragile_stack: FragileStack, image: str
) -> None:
    uids = await boot(fragile, image, "always")
    uids |= await boot(fragile, image, "rerun", runStrategy="RerunOnFailure")
    for name, strategy in (("manual", "Manual"), ("halted", "Halted")):
        uids[name] = await fragile.apply(fragile.vm(image, name=name, runStrategy=strategy))
        await fragile.until_status("Stopped", name)
    assert (await fragile.vmflow("start", "manual")).code == 0
    ran = {name: (await fragile.until_ready(name))["vm"]["incarnation"] for name in ("always", "rerun", "manual")}

    await asyncio.to_thread(fragile_stack.lose_power)
    await asyncio.to_thread(fragile_stack.start_libvirtd)

    for name in ("always", "rerun"):
        status = await fragile.until_ran(name, 1)
        assert status["vm"]["incarnation"] != ran[name]
    manual = await fragile.until(lambda status: status["exits"] == 1, "the manual VM is off", "manual")
    assert (manual["printableStatus"], manual["vm"]["power"]) == ("Stopped", "Off")
    for name, runs in (("always", 1), ("rerun", 1), ("manual", 0), ("halted", 0)):
        assert len(fragile_stack.guest(uids[name])) == runs
        assert (await fragile.status(name))["exits"] == (name in ran), "it was started once"
    await one_of_everything(fragile, **uids)
    await goes_without_a_trace(fragile, *uids)
