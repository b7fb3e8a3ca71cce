"""Fitting guests that run nothing: what QEMU does for them, and what they cannot follow."""

from datetime import timedelta

import libvirt
import pytest
from lxml import etree

from domain.guest import Power
from drivers.libvirt import LibvirtDriver, fitting, shape
from drivers.libvirt.elements import E
from drivers.libvirt.forwarding import forwarded
from drivers.libvirt.metadata import Mark
from tests.drivers.libvirt_backdoor import LibvirtBackdoor
from tests.drivers.libvirt_hosts import SessionHost, new_plan, opened


def test_a_guest_without_a_balloon_driver_has_all_of_its_memory(
    libvirt_driver: LibvirtDriver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = new_plan(max_memory=2**28)
    assert libvirt_driver.ensure_running(plan, fresh=True, start=1).shape == plan.shape
    monkeypatch.setattr(shape, "BOOT_PATIENCE", timedelta(0))
    seen = libvirt_driver.observe(plan.uid)
    assert seen.shape == plan.model_copy(update={"memory": 2**28}).shape


def domain_with(*, total: int, actual: int) -> etree._Element:
    """Return the live XML of a domain; total, actual: MiB of memory."""
    return E.domain(E.memory(str(total * 1024), unit="KiB"), E.currentMemory(str(actual * 1024), unit="KiB"))


@pytest.mark.parametrize(
    ("actual", "agent", "slow", "told"),
    [
        (256, False, False, 128),
        (256, True, False, 256),
        (200, True, False, 128),
        (200, True, True, 200),
        (128, True, True, 128),
        (100, True, False, 128),
        (100, True, True, 100),
    ],
    ids=["boots", "no driver", "on its way", "gave up", "came later", "takes it back", "cannot take it back"],
)
def test_memory_is_told_as_asked_while_the_guest_is_on_its_way_there(
    actual: int,
    agent: bool,  # noqa: FBT001 - a column of the table above
    slow: bool,  # noqa: FBT001 - same
    told: int,
) -> None:
    document = domain_with(total=256, actual=actual)
    mark = Mark(memory=128 * 2**20, at=float("inf"), slow=slow)
    assert shape._memory(document, mark, agent=agent) == told * 2**20


def test_a_port_exposed_while_a_guest_runs_keeps_its_host_port_over_a_power_on(libvirt_driver: LibvirtDriver) -> None:
    plan = new_plan(tcp=(22,))
    running = libvirt_driver.ensure_running(plan, fresh=True, start=1)
    more = plan.model_copy(update={"tcp": (22, 80), "udp": (53,)})
    fitted = libvirt_driver.ensure_fitted(more, incarnation=running.incarnation)
    assert set(running.forwards) < set(fitted.forwards)
    libvirt_driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=lambda: None)
    again = libvirt_driver.ensure_running(more, fresh=False, start=2)
    assert again.forwards == fitted.forwards


def test_a_guest_somebody_else_powered_on_forwards_what_its_definition_says(
    libvirt_driver: LibvirtDriver,
    session_host: SessionHost,
) -> None:
    plan = new_plan(tcp=(22,))
    running = libvirt_driver.ensure_running(plan, fresh=True, start=1)
    more = plan.model_copy(update={"tcp": (22, 80)})
    fitted = libvirt_driver.ensure_fitted(more, incarnation=running.incarnation)
    assert fitted.shape == more.shape
    backdoor = LibvirtBackdoor(session_host.spec)
    backdoor.virsh("destroy", plan.uid)
    backdoor.virsh("start", plan.uid)
    theirs = libvirt_driver.observe(plan.uid)
    assert (theirs.power, theirs.start) == (Power.RUNNING, 1)
    assert (theirs.forwards, theirs.shape) == (running.forwards, plan.shape)
    with opened(session_host, plan) as domain:
        assert forwarded(domain) == theirs.forwards
    assert libvirt_driver.ensure_fitted(more, incarnation=theirs.incarnation).forwards == fitted.forwards


def test_a_domain_undefined_while_it_runs_is_defined_again_around_its_guest(
    libvirt_driver: LibvirtDriver,
    session_host: SessionHost,
) -> None:
    plan = new_plan()
    running = libvirt_driver.ensure_running(plan, fresh=True, start=4)
    backdoor = LibvirtBackdoor(session_host.spec)
    backdoor.undefine(plan.uid)
    larger = plan.model_copy(update={"disk": 2 * plan.disk})
    assert libvirt_driver.ensure_running(larger, fresh=False, start=4) == running
    backdoor.virsh("destroy", plan.uid)
    again = libvirt_driver.ensure_running(larger, fresh=False, start=4)
    assert (again.power, again.start) == (Power.OFF, 4)
    assert backdoor.disk_size(plan.uid) == larger.disk


def test_a_port_that_was_opened_and_not_written_down_is_opened_once(
    libvirt_driver: LibvirtDriver,
    session_host: SessionHost,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = new_plan()
    running = libvirt_driver.ensure_running(plan, fresh=True, start=1)
    more = plan.model_copy(update={"tcp": (22,)})
    with monkeypatch.context() as patched:
        patched.setattr(fitting, "write_guest", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            libvirt_driver.ensure_fitted(more, incarnation=running.incarnation)
    seen = libvirt_driver.ensure_fitted(more, incarnation=running.incarnation)
    with opened(session_host, plan) as domain:
        assert forwarded(domain) == seen.forwards
    assert len(seen.forwards) == 1


def test_a_change_that_qemu_refuses_leaves_the_others(
    libvirt_driver: LibvirtDriver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = new_plan(max_cpus=2)
    running = libvirt_driver.ensure_running(plan, fresh=True, start=1)
    more = plan.model_copy(update={"cpus": 2, "disk": 2 * plan.disk, "tcp": (22,)})
    monkeypatch.setattr(fitting, "ROOT_DISK", "vdz")
    seen = libvirt_driver.ensure_fitted(more, incarnation=running.incarnation)
    assert seen.shape == more.model_copy(update={"disk": plan.disk}).shape


def test_a_guest_that_runs_nothing_meets_a_soft_reboot_without_one(libvirt_driver: LibvirtDriver) -> None:
    plan = new_plan()
    running = libvirt_driver.ensure_running(plan, fresh=True, start=1)
    seen = libvirt_driver.ensure_rebooted(plan.uid, incarnation=running.incarnation, request="a", hard=False)
    assert seen == running.model_copy(update={"reboot": "a"})


def test_a_live_change_of_a_guest_that_ends_meanwhile_is_no_trouble(
    libvirt_driver: LibvirtDriver,
    session_host: SessionHost,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = new_plan()
    running = libvirt_driver.ensure_running(plan, fresh=True, start=1)
    backdoor = LibvirtBackdoor(session_host.spec)
    suspend = libvirt.virDomain.suspend

    def late(domain: libvirt.virDomain) -> None:
        backdoor.virsh("destroy", plan.uid)
        suspend(domain)

    monkeypatch.setattr(libvirt.virDomain, "suspend", late)
    assert libvirt_driver.ensure_paused(plan.uid, incarnation=running.incarnation).power is Power.OFF
