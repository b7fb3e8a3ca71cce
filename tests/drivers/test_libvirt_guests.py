"""What only a guest that runs can show: forwarded ports, reboots, panics, power-ons by somebody else."""

from collections.abc import Callable, Iterator

import pytest

from domain.guest import GuestPlan, Observation, Power, StopCause
from drivers.libvirt import LibvirtDriver
from tests.drivers.libvirt_backdoor import LibvirtBackdoor
from tests.drivers.libvirt_hosts import SessionHost, greeting, new_plan, prepared
from tests.drivers.waiting import eventually, watching

pytestmark = pytest.mark.qemu

PATIENCE = 120.0
PANIC = "#!/bin/sh\necho c > /proc/sysrq-trigger\n"


@pytest.fixture
def driver(bootable_host: SessionHost) -> Iterator[LibvirtDriver]:
    with prepared(bootable_host.spec) as driver:
        yield driver


@pytest.fixture
def backdoor(bootable_host: SessionHost) -> LibvirtBackdoor:
    return LibvirtBackdoor(bootable_host.spec)


def until(driver: LibvirtDriver, plan: GuestPlan, holds: Callable[[Observation], bool]) -> Observation:
    def look() -> Observation | None:
        seen = driver.observe(plan.uid)
        return seen if holds(seen) else None

    found = eventually(look, within=PATIENCE, what="the guest as awaited")
    assert found is not None
    return found


def test_an_exposed_port_is_reached_through_the_host(driver: LibvirtDriver) -> None:
    plan = new_plan(tcp=(22,), udp=(53,))
    seen = driver.ensure_running(plan, fresh=True, start=1)
    assert [(each.protocol, each.guest) for each in seen.forwards] == [("tcp", 22), ("udp", 53)]
    eventually(lambda: greeting(seen.forwards[0]).startswith(b"SSH-2.0"), within=PATIENCE, what="SSH answers")


def test_a_guest_reboot_keeps_the_incarnation(driver: LibvirtDriver, backdoor: LibvirtBackdoor) -> None:
    plan = new_plan()
    driver.ensure_running(plan, fresh=True, start=1)
    before = until(driver, plan, lambda seen: seen.guest.agent)
    with watching(driver, within=PATIENCE) as watch:
        backdoor.virsh("reboot", plan.uid, "--mode", "agent")
        eventually(
            lambda: any(hint.what == "rebooted" for hint in watch.about(plan.uid)),
            within=PATIENCE,
            what="a hint at the reboot",
        )
    after = until(driver, plan, lambda seen: seen.guest.agent)
    assert after.incarnation == before.incarnation
    eventually(
        lambda: driver.console(plan.uid, limit=2**20).count(b"Linux version") == 2,
        within=PATIENCE,
        what="the console of both boots",
    )


def test_a_panic_is_told_from_every_other_end(driver: LibvirtDriver) -> None:
    plan = new_plan(user_data=PANIC)
    first = driver.ensure_running(plan, fresh=True, start=1)
    seen = until(driver, plan, lambda seen: not seen.alive)
    assert (seen.power, seen.cause, seen.incarnation) == (Power.OFF, StopCause.CRASHED, "")
    assert b"Kernel panic" in driver.console(plan.uid, limit=2**20)
    again = driver.ensure_running(plan, fresh=False, start=2)
    assert again.incarnation not in {"", first.incarnation}


def test_a_guest_started_by_somebody_else_is_another_incarnation(
    driver: LibvirtDriver,
    backdoor: LibvirtBackdoor,
) -> None:
    plan = new_plan()
    ours = driver.ensure_running(plan, fresh=True, start=1)
    backdoor.virsh("destroy", plan.uid)
    backdoor.virsh("start", plan.uid)
    theirs = driver.observe(plan.uid)
    assert theirs.power is Power.RUNNING
    assert theirs.incarnation not in {"", ours.incarnation}
    assert theirs.start == ours.start


def test_a_paused_guest_stays_paused_and_keeps_its_incarnation(
    driver: LibvirtDriver,
    backdoor: LibvirtBackdoor,
) -> None:
    plan = new_plan()
    running = driver.ensure_running(plan, fresh=True, start=1)
    backdoor.virsh("suspend", plan.uid)
    paused = driver.ensure_running(plan, fresh=False, start=2)
    assert (paused.power, paused.incarnation) == (Power.PAUSED, running.incarnation)
