"""What a booted guest makes of what is done to it while it runs. The tests share one guest."""

import threading
from collections.abc import Iterator

import libvirt
import pytest

from domain.guest import GuestPlan, Observation, Power
from drivers.libvirt import LibvirtDriver, live
from drivers.libvirt.sight import look
from tests.drivers.libvirt_backdoor import LibvirtBackdoor
from tests.drivers.libvirt_hosts import SessionHost, greeting, new_plan, opened, prepared
from tests.drivers.waiting import eventually

pytestmark = pytest.mark.qemu

PATIENCE = 120.0
_PACE = 0.01
"""Seconds between two looks at a guest that must never be seen off."""


class Guest:
    """A booted guest that exposes nothing, and the ways to it."""

    def __init__(self, driver: LibvirtDriver, backdoor: LibvirtBackdoor, plan: GuestPlan) -> None:
        self.driver = driver
        self.backdoor = backdoor
        self.plan = plan
        self.incarnation = driver.ensure_running(plan, fresh=True, start=1).incarnation
        self.until_up()

    def until_up(self) -> Observation:
        """Wait until the guest's operating system is up."""

        def look() -> Observation | None:
            seen = self.driver.observe(self.plan.uid)
            return seen if seen.guest.agent and seen.guest.addresses else None

        found = eventually(look, within=PATIENCE, what="the guest is up")
        assert found is not None
        return found

    def fit(self, **changes: object) -> Observation:
        """Fit the guest to a changed plan."""
        return self.driver.ensure_fitted(self.plan.model_copy(update=changes), incarnation=self.incarnation)

    def boots(self) -> int:
        """Count the boots that the console shows."""
        return self.driver.console(self.plan.uid, limit=2**20).count(b"Linux version")


@pytest.fixture(scope="module")
def guest(bootable_host: SessionHost) -> Iterator[Guest]:
    with prepared(bootable_host.spec) as driver:
        yield Guest(driver, LibvirtBackdoor(bootable_host.spec), new_plan(max_cpus=2, max_memory=2**28))


@pytest.fixture
def domain(guest: Guest, bootable_host: SessionHost) -> Iterator[libvirt.virDomain]:
    with opened(bootable_host, guest.plan) as domain:
        yield domain


def test_a_port_exposed_while_a_guest_runs_is_reached_until_it_is_exposed_no_more(guest: Guest) -> None:
    (forward,) = guest.fit(tcp=(22,)).forwards
    eventually(lambda: greeting(forward).startswith(b"SSH-2.0"), within=PATIENCE, what="SSH answers")
    assert guest.fit(tcp=()).forwards == ()
    assert greeting(forward) == b""


def test_cpus_that_are_added_compute(guest: Guest, domain: libvirt.virDomain) -> None:
    seen = guest.fit(cpus=2)
    assert seen.shape is not None
    assert seen.shape.cpus == 2
    eventually(lambda: domain.guestVcpus(0)["online"] == "0-1", within=PATIENCE, what="the guest uses its new CPU")


def test_a_guest_without_an_agent_is_rebooted_by_its_power_button_and_is_never_seen_off(
    guest: Guest,
    domain: libvirt.virDomain,
) -> None:
    seen, over = [], threading.Event()

    def watch() -> None:
        while not over.wait(_PACE):
            seen.append(guest.driver.observe(guest.plan.uid))

    boots = guest.boots()
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        live.reboot(domain, look(domain)._replace(connected=False), "by ACPI", hard=False)
        eventually(lambda: guest.boots() > boots, within=PATIENCE, what="the guest boots again")
        guest.until_up()
    finally:
        over.set()
        watching.join()
    assert {(each.power, each.incarnation) for each in seen} == {(Power.RUNNING, guest.incarnation)}
    assert seen[-1].reboot == "by ACPI"


def test_the_version_of_the_agent_is_asked_once_for_each_incarnation(
    guest: Guest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = guest.until_up().guest.agent_version
    monkeypatch.setattr("libvirt_qemu.qemuAgentCommand", None)
    assert guest.driver.observe(guest.plan.uid).guest.agent_version == version
