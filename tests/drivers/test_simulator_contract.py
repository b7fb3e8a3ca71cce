"""The simulator keeps the driver contract."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from domain.hypervisor import SimulatorSpec
from drivers.base import Driver
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from tests.drivers.contract import Backdoor, DriverContract, Seed
from tests.drivers.simulator_host import cache_image


class _Backdoor:
    def __init__(self, control: Control) -> None:
        self._control = control

    def scribble(self, uid: str) -> None:
        self._control.write_disk(uid)

    def content(self, uid: str) -> str:
        return str(self._control.disk(uid).get("content", ""))

    def disk_size(self, uid: str) -> int:
        return int(self._control.disk(uid)["size"])

    def lose_disk(self, uid: str) -> None:
        self._control.lose_disk(uid)

    def undefine(self, uid: str) -> None:
        self._control.undefine_behind_our_back(uid)

    def kill(self, uid: str) -> None:
        self._control.kill_process(uid)

    def seed(self, uid: str) -> Seed:
        return Seed.model_validate(self._control.seed(uid))


class TestSimulator(DriverContract):
    patience: ClassVar[float] = 20.0
    deaf: ClassVar[float] = 0.2
    sizes: ClassVar[dict[str, Any]] = {"cpus": 1, "memory": 2**27, "max_cpus": 4, "max_memory": 2**28, "disk": 2**20}

    @pytest.fixture
    def spec(self, tmp_path: Path) -> SimulatorSpec:
        return SimulatorSpec(directory=str(tmp_path / "host"), boot_seconds=0.4, shutdown_seconds=0.1)

    @pytest.fixture
    def driver(self, spec: SimulatorSpec) -> Iterator[Driver]:
        driver = SimulatorDriver(spec)
        driver.prepare()
        yield driver
        driver.close()

    @pytest.fixture
    def fellow(self, spec: SimulatorSpec, driver: Driver) -> Iterator[Driver]:
        fellow = SimulatorDriver(spec)
        yield fellow
        fellow.close()

    @pytest.fixture
    def image(self, driver: Driver) -> str:
        return cache_image(driver.images)

    @pytest.fixture
    def backdoor(self, spec: SimulatorSpec, driver: Driver) -> Iterator[Backdoor]:
        control = Control(spec.directory)
        yield _Backdoor(control)
        control.close()
