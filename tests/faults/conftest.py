"""What the tests of the fault matrix ask for."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e import sharing
from tests.e2e.fixtures import (
    images,
    padded_tiny,
    qemu,
    qemu_stack,
    running,
    simulated,
    simulated_stack,
    tenant_of,
    tiny,
)
from tests.e2e.tenant import Tenant
from tests.faults.stack import FragileStack

__all__ = ["images", "padded_tiny", "qemu", "qemu_stack", "simulated", "simulated_stack", "tiny"]


@pytest.fixture(scope="session")
async def fragile_stack() -> AsyncIterator[FragileStack]:
    """A stack on a libvirt of its own."""
    async with sharing.daemons(), running(FragileStack()) as stack:
        yield stack


@pytest.fixture
async def fragile(fragile_stack: FragileStack) -> AsyncIterator[Tenant]:
    """A namespace on a stack whose libvirt may be killed."""
    async with tenant_of(fragile_stack) as tenant:
        yield tenant
