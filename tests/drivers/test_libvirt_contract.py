"""The libvirt driver keeps the driver contract, with real guests under QEMU."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from drivers.base import Driver
from drivers.libvirt import LibvirtDriver
from tests.drivers.contract import Backdoor, DriverContract
from tests.drivers.libvirt_backdoor import LibvirtBackdoor
from tests.drivers.libvirt_hosts import IMAGE, SessionHost


@pytest.fixture(scope="module")
def driver(bootable_host: SessionHost) -> Iterator[Driver]:
    driver = LibvirtDriver(bootable_host.spec)
    driver.prepare()
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def fellow(bootable_host: SessionHost, driver: Driver) -> Iterator[Driver]:
    fellow = LibvirtDriver(bootable_host.spec)
    fellow.prepare()
    yield fellow
    fellow.close()


@pytest.fixture(scope="module")
def image(driver: Driver) -> str:
    return IMAGE


@pytest.fixture(scope="module")
def backdoor(bootable_host: SessionHost) -> Backdoor:
    return LibvirtBackdoor(bootable_host.spec)


@pytest.mark.qemu
class TestLibvirt(DriverContract):
    patience: ClassVar[float] = 120.0
    sizes: ClassVar[dict[str, Any]] = {"cpus": 1, "memory": 2**27, "max_cpus": 2, "max_memory": 2**28, "disk": 2**28}
