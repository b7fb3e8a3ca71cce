from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.common import RetryPolicy

from domain.backoff import Backoff
from drivers.simulator.control import Control
from tests.disks import empty_qcow2
from tests.image_server import ImageServer
from tests.workflows.declared import Place
from tests.world import World
from workflows import options


@pytest.fixture
def image_server() -> Iterator[ImageServer]:
    with ImageServer() as server:
        server.serve("/disk.qcow2", empty_qcow2())
        yield server


@pytest.fixture
def backoff() -> Backoff:
    """The delays in force in the world; modules that wait for them have shorter ones."""
    return Backoff()


@pytest.fixture
async def world(client: Client, tmp_path: Path, image_server: ImageServer, backoff: Backoff) -> AsyncIterator[World]:
    """A declared world whose lifecycle worker runs; tests say when its hypervisor is served."""
    world = World(client, tmp_path / "host", image_server, backoff=backoff)
    async with world.lifecycle():
        await world.declare()
        yield world
        await world.end()


@pytest.fixture
def control(world: World) -> Iterator[Control]:
    """The back door of the world's simulated host."""
    control = world.control()
    yield control
    control.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is retried be retried within a second. The sandbox passes the options through, so workflows see it."""
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=2)
    monkeypatch.setattr(options, "A_FEW_TIMES", policy)
    monkeypatch.setattr(options, "NOBODY_SERVES", timedelta(seconds=1))
    monkeypatch.setattr(options, "FIRST_RETRY", timedelta(milliseconds=500))
    monkeypatch.setattr(options, "RECONNECT", timedelta(seconds=1))


@pytest.fixture
async def place(client: Client) -> AsyncIterator[Place]:
    """A namespace for declared objects, whose workflows are served."""
    async with Place(client).served() as place:
        yield place
