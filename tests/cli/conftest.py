"""What the tests of the command line ask for."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from domain.access import EVERYWHERE, Grant, Role
from runtime import accounts, kubeconfig
from tests.cli.saying import GATEWAY, TEMPORAL
from tests.e2e.fixtures import images, simulated_stack, tenant_of
from tests.e2e.stacks import PrivateStack
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer
from tests.terminals import ROOT

__all__ = ["images", "simulated_stack"]


@pytest.fixture
def way() -> str:
    """The way commands take, unless a test is parametrized to say otherwise."""
    return TEMPORAL


@pytest.fixture
async def simulated(simulated_stack: PrivateStack, way: str, tmp_path: Path) -> AsyncIterator[Tenant]:
    """A namespace on a stack, and commands that reach it on the way that is wanted."""
    async with tenant_of(simulated_stack) as tenant:
        if way == GATEWAY:
            await tenant.objects.apply(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant.namespace}}
            )
            tenant.variables["VMFLOW_KUBECONFIG"] = str(await admitted(tenant, tmp_path / "kubeconfig"))
        yield tenant


@pytest.fixture
async def web(simulated: Tenant, images: ImageServer) -> Tenant:
    """A namespace with one VM that runs, called web."""
    await simulated.apply(simulated.vm(images.url + "/disk.qcow2"))
    await simulated.until_ready()
    return simulated


@pytest.fixture
async def exposed(simulated: Tenant, images: ImageServer) -> Tenant:
    """A namespace with one VM that runs and exposes a port, called web."""
    await simulated.apply(simulated.vm(images.url + "/disk.qcow2", network={"tcp": [80]}))
    await simulated.until_ready()
    return simulated


@pytest.fixture
async def variables(simulated: Tenant, tmp_path: Path) -> dict[str, str]:
    """The environment in which both programs find the stack, and kubectl its plugin."""
    file = await admitted(simulated, tmp_path / "kubectl.yaml")
    path = f"{ROOT / 'bin'}{os.pathsep}{os.environ['PATH']}"
    settings = simulated.stack.settings.environment()
    return {**settings, **simulated.variables, "KUBECONFIG": str(file), "PATH": path, "NO_COLOR": "1"}


async def admitted(tenant: Tenant, file: Path, role: Role = Role.ADMIN, where: str = EVERYWHERE) -> Path:
    """Make an account, and the kubeconfig with which it works in a tenant's namespace."""
    name = f"{role}-{uuid4().hex[:8]}"
    token = await accounts.create(tenant.objects, name, [Grant(namespace=where, role=role)])
    config = kubeconfig.document(tenant.stack.settings, name, token)
    config["contexts"][0]["context"]["namespace"] = tenant.namespace
    kubeconfig.write(file, config)
    return file
