"""The machine's own, privileged libvirtd: a NAT network, and a QEMU that runs as a user of its own."""

import fcntl
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from domain.guest import GuestInfo, GuestPlan, Observation, Power
from domain.hypervisor import LibvirtSpec, NatNetwork
from domain.problem import Problem, Verdict
from drivers.libvirt import LibvirtDriver
from tests.drivers.libvirt_backdoor import LibvirtBackdoor
from tests.drivers.libvirt_hosts import IMAGE, new_plan, prepared
from tests.drivers.waiting import eventually
from tests.e2e import sharing

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may use the machine's own libvirtd without a password"),
]

URI = "qemu:///system"
PATIENCE = 120.0
NETWORK = NatNetwork(name="vmflow-test", bridge="vmflowtest0", subnet="10.232.77.0/24")


@pytest.fixture(scope="module")
async def system_daemon() -> AsyncIterator[None]:
    """The machine's libvirtd, started unless it runs; test processes take turns, for they share a network's name."""
    with (Path(tempfile.gettempdir()) / "vmflow-system-libvirt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with sharing.daemons():
            yield


@pytest.fixture
def spec(system_daemon: None, tiny_guest: Path) -> Iterator[LibvirtSpec]:
    """A folder, a pool and a network of the test's own; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="vmflow-system-") as folder:
        Path(folder).chmod(0o755)
        yield LibvirtSpec(uri=URI, directory=f"{folder}/host", pool=Path(folder).name, network=NETWORK)
        backdoor = LibvirtBackdoor(LibvirtSpec(uri=URI, directory=folder))
        for kind, name in (("pool", Path(folder).name), ("net", NETWORK.name)):
            if name in backdoor.virsh(f"{kind}-list", "--all", "--name").split():
                backdoor.virsh(f"{kind}-destroy", name)
                backdoor.virsh(f"{kind}-undefine", name)


@pytest.fixture
def driver(spec: LibvirtSpec, tiny_guest: Path) -> Iterator[LibvirtDriver]:
    with prepared(spec) as driver:
        (driver.images / f"{IMAGE}.qcow2").write_bytes(tiny_guest.read_bytes())
        yield driver


def until(driver: LibvirtDriver, plan: GuestPlan, holds: Callable[[Observation], bool]) -> Observation:
    def look() -> Observation | None:
        seen = driver.observe(plan.uid)
        return seen if holds(seen) else None

    found = eventually(look, within=PATIENCE, what="the guest as awaited")
    assert found is not None
    return found


def greeting(address: str) -> bytes:
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            return connection.recv(64)
    except OSError:
        return b""


def test_a_guest_on_the_nat_network_is_reached_by_its_own_address(driver: LibvirtDriver) -> None:
    plan = new_plan(tcp=(22,))
    running = driver.ensure_running(plan, fresh=True, start=1)
    assert (running.forwards, running.shape) == ((), plan.shape)
    more = plan.model_copy(update={"tcp": (22, 80)})
    fitted = driver.ensure_fitted(more, incarnation=running.incarnation)
    assert (fitted.forwards, fitted.shape) == ((), more.shape)
    seen = until(driver, plan, lambda seen: seen.guest.agent and bool(seen.guest.addresses))
    (address,) = seen.guest.addresses
    assert address.startswith("10.232.77.")
    eventually(lambda: greeting(address).startswith(b"SSH-2.0"), within=PATIENCE, what="SSH answers")


def test_an_address_lent_before_this_power_on_is_not_a_sign_of_life(driver: LibvirtDriver) -> None:
    plan = new_plan()
    first = driver.ensure_running(plan, fresh=True, start=1)
    until(driver, plan, lambda seen: bool(seen.guest.addresses))
    driver.ensure_stopped(plan.uid, incarnation=first.incarnation, grace=0, beat=lambda: None)
    second = driver.ensure_running(plan, fresh=False, start=2)
    assert (second.power, second.guest) == (Power.RUNNING, GuestInfo())
    assert until(driver, plan, lambda seen: seen.booted).incarnation == second.incarnation


def test_a_removed_guest_gives_its_address_back(driver: LibvirtDriver, spec: LibvirtSpec) -> None:
    plan = new_plan()
    driver.ensure_running(plan, fresh=True, start=1)
    until(driver, plan, lambda seen: bool(seen.guest.addresses))
    backdoor = LibvirtBackdoor(spec)
    eventually(lambda: plan.mac in leases(backdoor), within=PATIENCE, what="the address is lent")
    driver.ensure_removed(plan.uid)
    eventually(lambda: plan.mac not in leases(backdoor), within=PATIENCE, what="the address is free")


def leases(backdoor: LibvirtBackdoor) -> str:
    return backdoor.virsh("net-dhcp-leases", NETWORK.name)


def test_a_network_that_was_stopped_behind_our_back_runs_again_at_the_next_power_on(
    driver: LibvirtDriver,
    spec: LibvirtSpec,
) -> None:
    LibvirtBackdoor(spec).virsh("net-destroy", NETWORK.name)
    assert driver.ensure_running(new_plan(), fresh=True, start=1).power is Power.RUNNING


def test_a_folder_that_qemu_cannot_enter_is_refused(driver: LibvirtDriver, spec: LibvirtSpec) -> None:
    folder = Path(spec.directory)
    folder.chmod(0o700)
    with pytest.raises(Problem) as caught:
        driver.prepare()
    folder.chmod(0o755)
    assert (caught.value.reason, caught.value.verdict) == ("FolderClosed", Verdict.TERMINAL)
    assert str(folder) in caught.value.message
