from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.hypervisor import SimulatorSpec
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from runtime.settings import Settings
from tests.activities.line import Line


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Control]:
    """The back door of a simulated host."""
    control = Control(tmp_path / "host")
    yield control
    control.close()


@pytest.fixture
def line(temporal_settings: Settings) -> Iterator[Line]:
    """A line to the Temporal server."""
    line = Line(temporal_settings.temporal_address)
    yield line
    line.cut()


@pytest.fixture
def driver(host: Control, tmp_path: Path) -> Iterator[SimulatorDriver]:
    driver = SimulatorDriver(SimulatorSpec(directory=str(tmp_path / "host")))
    driver.prepare()
    yield driver
    driver.close()
