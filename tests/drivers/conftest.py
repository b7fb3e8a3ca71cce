"""Fixtures of the driver tests, and plain words for assertions in modules they share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "tests.drivers.contract_base",
    "tests.drivers.contract_definition",
    "tests.drivers.contract_guest",
    "tests.drivers.contract_hints",
    "tests.drivers.contract_power",
    "tests.drivers.contract_removal",
    "tests.drivers.waiting",
)

from domain.hypervisor import SimulatorSpec  # noqa: E402 - what is rewritten must be registered before it is imported
from drivers.simulator import SimulatorDriver  # noqa: E402 - same
from drivers.simulator.control import Control  # noqa: E402 - same
from tests.drivers.libvirt_hosts import bootable_host, libvirt_driver, mortal_host, session_host, tiny_guest  # noqa: E402, F401 - same; fixtures
from tests.drivers.simulator_host import cache_image  # noqa: E402 - same


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
