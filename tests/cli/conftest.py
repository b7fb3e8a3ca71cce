"""What the tests of the command line ask for."""

import pytest

from tests.e2e.fixtures import images, simulated, simulated_stack
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer

__all__ = ["images", "simulated", "simulated_stack"]


@pytest.fixture
async def web(simulated: Tenant, images: ImageServer) -> Tenant:
    """A namespace with one VM that runs, called web."""
    await simulated.apply(simulated.vm(images.url + "/disk.qcow2"))
    await simulated.until_ready()
    return simulated
