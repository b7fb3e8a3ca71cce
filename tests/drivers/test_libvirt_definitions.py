"""What the libvirt driver asks libvirt for, and what it refuses."""

import socket
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from domain.guest import GuestPlan, Power
from domain.hypervisor import LibvirtSpec
from domain.problem import Problem, Verdict
from drivers.libvirt import LibvirtDriver
from tests.drivers.libvirt_backdoor import LibvirtBackdoor
from tests.drivers.libvirt_hosts import IMAGE, SessionHost, new_plan


@pytest.fixture
def backdoor(session_host: SessionHost) -> LibvirtBackdoor:
    return LibvirtBackdoor(session_host.spec)


def defined(driver: LibvirtDriver, backdoor: LibvirtBackdoor, plan: GuestPlan) -> Callable[[str], Any]:
    """Define a guest; return what answers XPath questions about its domain."""
    driver.ensure_defined(plan, fresh=True)
    domain = etree.fromstring(backdoor.virsh("dumpxml", "--inactive", plan.uid))
    return partial(domain.xpath)


def refused(driver: LibvirtDriver, plan: GuestPlan) -> Problem:
    with pytest.raises(Problem) as caught:
        driver.ensure_defined(plan, fresh=True)
    return caught.value


def test_every_disk_names_its_format_and_where_its_chain_ends(
    libvirt_driver: LibvirtDriver,
    backdoor: LibvirtBackdoor,
) -> None:
    domain = defined(libvirt_driver, backdoor, new_plan())
    assert domain("devices/disk/driver/@type") == ["qcow2", "raw"]
    assert domain("devices/disk[1]/backingStore/format/@type") == ["qcow2"]
    assert domain("devices/disk[1]/backingStore/source/@file") == [str(libvirt_driver.images / f"{IMAGE}.qcow2")]
    assert domain("count(devices/disk[1]/backingStore/backingStore[not(*)])") == 1


def test_a_hostile_text_adds_no_device(libvirt_driver: LibvirtDriver, backdoor: LibvirtBackdoor) -> None:
    owner = "x</vmflow:owner></vmflow:guest></metadata><devices><hostdev/></devices>"
    harmless = defined(libvirt_driver, backdoor, new_plan())
    hostile = defined(libvirt_driver, backdoor, new_plan(owner=owner, hostname="--\n- a: b"))
    assert hostile("count(//*)") == harmless("count(//*)")
    assert [each.tag for each in hostile("devices/*")] == [each.tag for each in harmless("devices/*")]


def test_the_root_disk_is_a_linked_clone_of_the_size_asked_for(
    libvirt_driver: LibvirtDriver,
    session_host: SessionHost,
) -> None:
    plan = new_plan(disk=3 * 2**30)
    libvirt_driver.ensure_defined(plan, fresh=True)
    disk = Path(session_host.spec.directory) / "volumes" / f"{plan.uid}.root.qcow2"
    told = subprocess.run(["qemu-img", "info", disk], check=True, capture_output=True, text=True).stdout
    assert f"({3 * 2**30} bytes)" in told
    assert f"{libvirt_driver.images / IMAGE}.qcow2" in told
    assert disk.stat().st_size < 2**20


def test_what_libvirt_keeps_beside_somebody_elses_domains_is_left_alone(
    libvirt_driver: LibvirtDriver,
    backdoor: LibvirtBackdoor,
    tmp_path: Path,
) -> None:
    foreign = tmp_path / "foreign.xml"
    foreign.write_text(
        "<domain type='qemu'><name>foreign</name><memory unit='MiB'>16</memory><os><type>hvm</type></os></domain>",
    )
    backdoor.virsh("define", str(foreign))
    try:
        assert libvirt_driver.inventory() == []
        problem = refused(libvirt_driver, new_plan(name="foreign"))
        assert (problem.reason, problem.verdict) == ("DomainNameTaken", Verdict.TERMINAL)
        assert libvirt_driver.leftovers() == []
    finally:
        backdoor.virsh("undefine", "foreign")


def test_an_unknown_cpu_model_is_refused(libvirt_driver: LibvirtDriver) -> None:
    problem = refused(libvirt_driver, new_plan(cpu_model="Abacus"))
    assert (problem.reason, problem.verdict) == ("CpuModelUnknown", Verdict.TERMINAL)
    assert libvirt_driver.leftovers() == []


@pytest.mark.parametrize("model", ["", "Nehalem", "host-passthrough", "host-model"])
def test_a_guest_starts_with_the_cpu_model_asked_for(libvirt_driver: LibvirtDriver, model: str) -> None:
    plan = new_plan(cpu_model=model)
    assert libvirt_driver.ensure_running(plan, fresh=True, start=1).power is Power.RUNNING


def test_a_text_that_xml_cannot_hold_is_refused(libvirt_driver: LibvirtDriver) -> None:
    problem = refused(libvirt_driver, new_plan(owner="team/\x07"))
    assert (problem.reason, problem.verdict) == ("NotWritable", Verdict.TERMINAL)
    assert libvirt_driver.leftovers() == []


@pytest.mark.parametrize("image", ["../etc/passwd", "", "a b", "-x"])
def test_an_image_key_never_leads_out_of_the_cache(libvirt_driver: LibvirtDriver, image: str) -> None:
    problem = refused(libvirt_driver, new_plan(image=image))
    assert (problem.reason, problem.verdict) == ("NotWritable", Verdict.TERMINAL)


def test_a_cached_image_that_leans_on_another_file_is_refused(
    libvirt_driver: LibvirtDriver,
    session_host: SessionHost,
    tmp_path: Path,
) -> None:
    leaning = tmp_path / "leaning.qcow2"
    command = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", "/etc/shadow", str(leaning), "64M"]
    subprocess.run(command, check=True)
    key = session_host.cache(leaning, "1eaf" * 8)
    problem = refused(libvirt_driver, new_plan(image=key))
    assert (problem.reason, problem.verdict) == ("ImageCorrupt", Verdict.TERMINAL)


def test_a_root_disk_that_is_none_is_refused(libvirt_driver: LibvirtDriver, session_host: SessionHost) -> None:
    plan = new_plan()
    libvirt_driver.ensure_defined(plan, fresh=True)
    disk = Path(session_host.spec.directory) / "volumes" / f"{plan.uid}.root.qcow2"
    disk.write_bytes(b"no disk" * 100)
    problem = refused(libvirt_driver, plan)
    assert (problem.reason, problem.verdict) == ("RootDiskCorrupt", Verdict.TERMINAL)


def test_a_pool_of_that_name_elsewhere_is_not_taken(session_host: SessionHost, libvirt_driver: LibvirtDriver) -> None:
    spec = session_host.spec.model_copy(update={"directory": f"{session_host.spec.directory}/other"})
    driver = LibvirtDriver(spec)
    with pytest.raises(Problem) as caught:
        driver.prepare()
    driver.close()
    assert (caught.value.reason, caught.value.verdict) == ("PoolElsewhere", Verdict.TERMINAL)


def test_a_host_port_somebody_took_meanwhile_is_replaced_at_power_on(libvirt_driver: LibvirtDriver) -> None:
    plan = new_plan(tcp=(22, 80))
    first = libvirt_driver.ensure_running(plan, fresh=True, start=1)
    libvirt_driver.ensure_stopped(plan.uid, incarnation=first.incarnation, grace=0, beat=lambda: None)
    lost, kept = first.forwards
    with socket.create_server(("127.0.0.1", lost.host)):
        second = libvirt_driver.ensure_running(plan, fresh=False, start=2)
    assert second.forwards[0].host != lost.host
    assert second.forwards[1] == kept


def test_guests_never_share_a_host_port(libvirt_driver: LibvirtDriver) -> None:
    seen = [libvirt_driver.ensure_running(new_plan(tcp=(22,)), fresh=True, start=1) for _ in range(3)]
    assert len({each.forwards[0].host for each in seen}) == 3


def test_a_hypervisor_nobody_listens_at_is_unreachable(tmp_path: Path) -> None:
    driver = LibvirtDriver(LibvirtSpec(uri=f"qemu+unix:///session?socket={tmp_path}/none", directory=str(tmp_path)))
    with pytest.raises(Problem) as caught:
        driver.prepare()
    assert (caught.value.reason, caught.value.verdict) == ("HypervisorUnreachable", Verdict.RETRY)
