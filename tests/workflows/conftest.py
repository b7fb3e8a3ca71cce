from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.disks import empty_qcow2
from tests.image_server import ImageServer
from tests.world import World


@pytest.fixture
def image_server() -> Iterator[ImageServer]:
    with ImageServer() as server:
        server.serve("/disk.qcow2", empty_qcow2())
        yield server


@pytest.fixture
async def world(client: Client, tmp_path: Path, image_server: ImageServer) -> AsyncIterator[World]:
    """A declared world whose lifecycle worker runs; tests say when its hypervisor is served."""
    world = World(client, tmp_path / "host", image_server)
    async with world.lifecycle():
        await world.declare()
        yield world
        await world.end()
