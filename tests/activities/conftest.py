from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.hypervisor import SimulatorSpec
from domain.image import ImageSource, image_key
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from images.cache import ImageCache
from images.policy import FetchPolicy
from runtime.settings import Settings
from tests.activities.line import Line
from tests.activities.scene import Scene
from tests.disks import empty_qcow2
from tests.image_server import ImageServer


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


@pytest.fixture
async def scene(client: Client, driver: SimulatorDriver) -> AsyncIterator[Scene]:
    scene = Scene(client, driver)
    with ImageServer() as server:
        source = ImageSource(url=server.serve("/disk.qcow2", empty_qcow2()))
        scene.image = image_key("team", source)
        policy = FetchPolicy(allowed_networks=("127.0.0.0/8",))
        ImageCache(driver.images).ensure(scene.image, source, policy=policy, beat=lambda _: None)
    yield scene
    for handle in scene.handles:
        try:
            await handle.terminate()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # some tests end a life themselves
                raise
