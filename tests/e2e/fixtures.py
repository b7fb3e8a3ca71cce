"""Stacks, tenants and images for the tests of whole stacks. Import the fixtures in a conftest.py."""

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from runtime.stack import Stack
from tests.disks import empty_qcow2
from tests.drivers.libvirt_hosts import built_tiny
from tests.e2e import sharing
from tests.e2e.stacks import PrivateStack
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer

_Stack = TypeVar("_Stack", bound=PrivateStack)

_PADDING = 32 * 2**20
"""Bytes no compression shrinks, so that an import of the padded image has several chunks to lose."""


@pytest.fixture(scope="session")
async def simulated_stack() -> AsyncIterator[PrivateStack]:
    async with running(PrivateStack("simulator")) as stack:
        yield stack


@pytest.fixture(scope="session")
async def qemu_stack() -> AsyncIterator[PrivateStack]:
    """A stack on the machine's libvirt."""
    async with sharing.daemons(), running(PrivateStack("libvirt")) as stack:
        yield stack


@pytest.fixture
async def simulated(simulated_stack: PrivateStack) -> AsyncIterator[Tenant]:
    async with tenant_of(simulated_stack) as tenant:
        yield tenant


@pytest.fixture
async def qemu(qemu_stack: PrivateStack) -> AsyncIterator[Tenant]:
    async with tenant_of(qemu_stack) as tenant:
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
async def running(stack: _Stack) -> AsyncIterator[_Stack]:
    """Run a stack meanwhile; nothing of it is left afterwards."""
    try:
        await stack.up()
        yield stack
    finally:
        await stack.purge()


@asynccontextmanager
async def tenant_of(stack: PrivateStack) -> AsyncIterator[Tenant]:
    """Give a namespace of its own on a stack that works; nothing of it is left afterwards."""
    if not all(member.ready for member in await Stack(stack.settings).status()):
        await stack.up()  # an earlier test failed between a kill and its repair
    tenant = Tenant(stack)
    yield tenant
    await stack.up()
    await tenant.clear()
