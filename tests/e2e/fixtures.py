"""Stacks, tenants and images for the tests of whole stacks. Import the fixtures in a conftest.py."""

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from runtime.stack import Stack
from tests.disks import empty_qcow2
from tests.drivers.libvirt_hosts import built_tiny
from tests.e2e import sharing
from tests.e2e.stacks import PrivateStack
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer

_PADDING = 32 * 2**20
"""Bytes no compression shrinks, so that an import of the padded image has several chunks to lose."""


@pytest.fixture(scope="session")
async def simulated_stack() -> AsyncIterator[PrivateStack]:
    async with _running("simulator") as stack:
        yield stack


@pytest.fixture(scope="session")
async def qemu_stack() -> AsyncIterator[PrivateStack]:
    """A stack on the machine's libvirt."""
    async with sharing.daemons(), _running("libvirt") as stack:
        yield stack


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let tests on QEMU run beside each other, except for one that asks to be `alone`."""
    if request.node.get_closest_marker("qemu") is None:
        yield
        return
    with sharing.turn(alone="alone" in request.fixturenames):
        yield


@pytest.fixture
def alone() -> None:
    """Ask that no other test uses libvirt meanwhile."""


@pytest.fixture
async def simulated(simulated_stack: PrivateStack) -> AsyncIterator[Tenant]:
    async with _tenant(simulated_stack) as tenant:
        yield tenant


@pytest.fixture
async def qemu(qemu_stack: PrivateStack) -> AsyncIterator[Tenant]:
    async with _tenant(qemu_stack) as tenant:
        yield tenant


@pytest.fixture
def images() -> Iterator[ImageServer]:
    """A server with an empty disk, enough for simulated guests."""
    with ImageServer() as server:
        server.serve("/disk.qcow2", empty_qcow2())
        yield server


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The tiny guest's disk."""
    return built_tiny()


@pytest.fixture(scope="session")
def padded_tiny(tiny: Path) -> Iterator[Path]:
    """The same, with random bytes behind its last partition."""
    with tempfile.TemporaryDirectory() as folder:
        raw, padded = Path(folder, "padded.raw"), Path(folder, "padded.qcow2")
        subprocess.run(["qemu-img", "convert", "-O", "raw", tiny, raw], check=True)
        with raw.open("ab") as disk:
            disk.write(os.urandom(_PADDING))
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, padded], check=True)
        raw.unlink()
        yield padded


@asynccontextmanager
async def _running(hypervisor: Literal["libvirt", "simulator"]) -> AsyncIterator[PrivateStack]:
    stack = PrivateStack(hypervisor)
    try:
        with sharing.turn(alone=False):
            await stack.up()
        yield stack
    finally:
        with sharing.turn(alone=False):
            await stack.purge()


@asynccontextmanager
async def _tenant(stack: PrivateStack) -> AsyncIterator[Tenant]:
    if not all(member.ready for member in await Stack(stack.settings).status()):
        await stack.up()  # an earlier test failed between a kill and its repair
    tenant = Tenant(stack)
    yield tenant
    await stack.up()
    await tenant.clear()
