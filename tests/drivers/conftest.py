"""Fixtures of the driver tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.hypervisor import SimulatorSpec
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from tests.drivers.libvirt_hosts import (  # noqa: F401 - fixtures
    bootable_host,
    libvirt_driver,
    mortal_host,
    session_host,
    tiny_guest,
)
from tests.drivers.simulator_host import cache_image


@pytest.fixture
def simulator(tmp_path: Path) -> SimulatorSpec:
    """A simulated host of its own, with an image in its cache and guests that boot and shut down at once."""
    spec = SimulatorSpec(directory=str(tmp_path / "host"))
    cache_image(tmp_path / "host" / "images")
    return spec


@pytest.fixture
def host(simulator: SimulatorSpec) -> Iterator[SimulatorDriver]:
    """The host's driver, prepared."""
    driver = SimulatorDriver(simulator)
    driver.prepare()
    yield driver
    driver.close()


@pytest.fixture
def control(simulator: SimulatorSpec) -> Iterator[Control]:
    """The host's back door."""
    control = Control(simulator.directory)
    yield control
    control.close()
