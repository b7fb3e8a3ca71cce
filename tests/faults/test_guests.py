"""Rows 7 and 8 on real QEMU: guests that end, reboot, crash or vanish by themselves, and what becomes of their VMs."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.objects import Document
from tests.e2e.audit import goes_without_a_trace, one_of_everything
from tests.e2e.stacks import Status, eventually
from tests.e2e.tenant import VM, Tenant
from tests.faults.inside import PANIC, POWER_OFF, REBOOT, Inside
from tests.image_server import ImageServer

pytestmark = [pytest.mark.qemu, pytest.mark.xdist_group("qemu")]

AGAIN = "runs again, as another incarnation"
OFF = "stays off"

MARK, MARKED = "/data/mark", "echo kept > /data/mark; sync"

CRASHING = f"#!/bin/sh\n{PANIC}\n"
"""User data of a guest that panics whenever it boots."""


class Guests:
    """Running guests of one namespace, one for each run strategy that is tried, named after it."""

    def __init__(self, qemu: Tenant, uids: dict[str, str]) -> None:
        self._qemu = qemu
        self.uids = uids
        self.inside = {name: Inside(qemu, uid) for name, uid in uids.items()}
        self._before: dict[str, str] = {}

    @classmethod
    async def boot(cls, qemu: Tenant, image: str, *strategies: str) -> "Guests":
        uids = {
            each.lower(): await qemu.apply(qemu.vm(image, name=each.lower(), runStrategy=each)) for each in strategies
        }
        if "manual" in uids:
            await qemu.until_status("Stopped", "manual")
            assert (await qemu.vmflow("start", "manual")).code == 0
        guests = cls(qemu, uids)
        for name in uids:
            guests._before[name] = (await qemu.until_ready(name))["vm"]["incarnation"]
        return guests

    async def everywhere(self, act: Callable[[Inside], Any]) -> None:
        """Let something happen to every guest."""
        await asyncio.gather(*(act(each) for each in self.inside.values()))

    async def come_to(self, name: str, what: str) -> Status:
        """Wait until a guest that ended once has come to this; return its status."""
        word = "Running" if what is AGAIN else "Stopped"
        status = await self._qemu.until(
            lambda status: status["exits"] == 1 and status["printableStatus"] == word, f"{name} {what}", name
        )
        now, before = status["vm"]["incarnation"], self._before[name]
        assert now not in {"", before} if what is AGAIN else now == ""
        assert await self.inside[name].state() in (["running"] if what is AGAIN else ["shut off", "crashed"])
        assert len(self.inside[name].pids()) <= 1
        return status

    async def audited(self) -> None:
        await one_of_everything(self._qemu, **self.uids)
        await goes_without_a_trace(self._qemu, *self.uids)


def failure(status: Status) -> tuple[str, str]:
    """Return what the Failure condition says: its status and its reason."""
    (found,) = [each for each in status["conditions"] if each["type"] == "Failure"]
    return found["status"], found["reason"]


@pytest.fixture
def image(images: ImageServer, tiny: Path) -> str:
    return images.serve("/tiny.qcow2", tiny)


async def test_fault_07_a_guest_that_powers_itself_off_is_started_again_by_always_alone(
    qemu: Tenant, image: str
) -> None:
    guests = await Guests.boot(qemu, image, "Always", "RerunOnFailure", "Manual")
    await guests.everywhere(lambda guest: guest.run(POWER_OFF))
    await guests.come_to("always", AGAIN)
    for name, strategy in (("rerunonfailure", "RerunOnFailure"), ("manual", "Manual")):
        status = await guests.come_to(name, OFF)
        assert (status["message"], status["runStrategy"]) == ("the guest shut itself down", strategy)
        assert failure(status) == ("False", "NoFailure")
    await guests.audited()


async def test_fault_07_a_guest_that_reboots_is_not_stopped(qemu: Tenant, image: str) -> None:
    guests = await Guests.boot(qemu, image, "Manual")
    guest = guests.inside["manual"]
    before, pids = (await qemu.status("manual"))["vm"], guest.pids()
    booted = await guest.read("cat /proc/sys/kernel/random/boot_id")
    await guest.run(REBOOT)

    async def booted_anew() -> bool:
        return await guest.read("cat /proc/sys/kernel/random/boot_id") != booted

    await eventually(booted_anew, "the guest has booted once more")
    status = await qemu.until_ready("manual")
    assert (status["vm"], status["exits"], guest.pids()) == (before, 0, pids)
    await guests.audited()


async def test_fault_07_a_guest_that_panics_has_crashed_and_is_started_again_unless_manual(
    qemu: Tenant, image: str
) -> None:
    guests = await Guests.boot(qemu, image, "Always", "RerunOnFailure", "Manual")
    await guests.everywhere(lambda guest: guest.run(PANIC))
    status = await guests.come_to("manual", OFF)
    assert failure(status) == ("True", "GuestCrashed")
    assert await guests.inside["manual"].state() == "crashed", "what is left of it can be examined until the next start"
    assert status["message"] == "the guest's kernel panicked"
    for name in ("always", "rerunonfailure"):
        assert failure(await guests.come_to(name, AGAIN)) == ("False", "NoFailure")
    await guests.audited()


async def test_fault_07_a_guest_whose_process_is_killed_has_failed_and_is_started_again_unless_manual(
    qemu: Tenant, image: str
) -> None:
    guests = await Guests.boot(qemu, image, "Always", "RerunOnFailure", "Manual")
    await guests.everywhere(lambda guest: guest.kill_qemu())
    status = await guests.come_to("manual", OFF)
    assert failure(status) == ("True", "GuestFailed")
    assert status["message"] == "the guest's process died"
    for name in ("always", "rerunonfailure"):
        await guests.come_to(name, AGAIN)
    await guests.audited()


async def test_fault_07_a_guest_that_panics_at_every_boot_is_left_alone_for_longer_and_longer(
    qemu: Tenant, image: str
) -> None:
    uid = await qemu.apply(qemu.vm(image, cloudInit=CRASHING))
    status = await qemu.until_status("CrashLoopBackOff")
    assert (status["reason"], status["restarts"]["inARow"]) == ("CrashLoopBackOff", 2), (
        "the first restart is not delayed"
    )
    assert "next" in status["restarts"]
    waited = await qemu.vmflow("wait", "web", "--for=CrashLoopBackOff", "--timeout=60")
    assert (waited.code, waited.out.splitlines()[-1]) == (0, "virtualserver/web CrashLoopBackOff")

    async def explained() -> bool:
        why = (await qemu.vmflow("why", "web")).out
        words = r"web is CrashLoopBackOff \(CrashLoopBackOff\)\nthe guest's kernel panicked; it ended \d times"
        return re.match(words, why) is not None

    await eventually(explained, "why says what it waits for")
    status = await qemu.until(lambda status: status["exits"] >= 3, "it was started again, and has crashed again")
    assert (await qemu.vmflow("stop", "web")).code == 0, "stopping it ends that"
    await qemu.until_status("Stopped")
    await one_of_everything(qemu, web=uid)
    await goes_without_a_trace(qemu, "web")


async def test_fault_08_a_domain_undefined_behind_our_back_is_missing_and_comes_back_as_its_strategy_says(
    qemu: Tenant, image: str
) -> None:
    guests = await Guests.boot(qemu, image, "Always", "Manual")
    for guest in guests.inside.values():
        await guest.read(MARKED)
    await guests.everywhere(lambda guest: guest.undefine())
    await guests.come_to("always", AGAIN)
    await guests.come_to("manual", OFF)
    for name in guests.uids:
        assert "Absent" in await _powers(qemu, name), "it was reported as missing"
    await one_of_everything(qemu, **guests.uids)

    assert (await qemu.vmflow("start", "manual")).code == 0
    for name, guest in guests.inside.items():
        await qemu.until_ready(name)
        assert await guest.read(f"cat {MARK}") == "kept\n", "it has its old disk"
    await guests.audited()


async def _powers(qemu: Tenant, name: str) -> list[str]:
    """Return what power a VM has shown in the course of its life."""
    run = (await qemu.objects.describe(VM, name, qemu.namespace)).run_id
    handle = qemu.objects.client.get_workflow_handle(qemu.workflow(name), run_id=run)
    shown = []
    async for event in handle.fetch_history_events():
        fields = event.workflow_properties_modified_event_attributes.upserted_memo.fields
        if "object" in fields:
            (document,) = await qemu.objects.client.data_converter.decode([fields["object"]], [Document])
            shown.append(document["status"].get("vm", {}).get("power", ""))
    return shown
