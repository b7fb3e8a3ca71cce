"""A stock kubectl on a stack's gateway, as whoever set the stack up, in one test's namespace."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime import kubeconfig
from tests.e2e.stacks import Said
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer

Document = dict[str, Any]


class Kubectl:
    """kubectl with a cache of its own, so that no test sees what another one discovered."""

    def __init__(self, tenant: Tenant, images: ImageServer, folder: Path) -> None:
        self.tenant = tenant
        self.images = images
        self.folder = folder
        self.config = kubeconfig.path(tenant.stack.settings)

    @property
    def namespace(self) -> str:
        return self.tenant.namespace

    async def said(self, *words: str, stdin: str = "", **variables: str) -> Said:
        """Run a command and return what it says, whatever that is."""
        process = await asyncio.create_subprocess_exec(
            *("kubectl", f"--cache-dir={self.folder}/cache", "--namespace", self.namespace, *words),
            cwd=self.folder,
            env={**os.environ, "KUBECONFIG": str(self.config), "HOME": str(self.folder), **variables},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    async def __call__(self, *words: str, stdin: str = "", **variables: str) -> str:
        """Run a command that works; return what it prints."""
        said = await self.said(*words, stdin=stdin, **variables)
        assert said.code == 0, said
        return said.out

    async def json(self, *words: str) -> Any:
        return json.loads(await self(*words, "-o", "json"))

    async def apply(self, *documents: Document, options: tuple[str, ...] = ()) -> str:
        return await self("apply", *options, "-f", "-", stdin=yaml.safe_dump_all(documents))

    def vm(self, name: str = "web", **spec: Any) -> Document:
        """Return a small VM as people write it, without a namespace."""
        document = self.tenant.vm(f"{self.images.url}/disk.qcow2", name=name, **spec)
        del document["metadata"]["namespace"]
        return document

    async def ready(self, name: str = "web", **spec: Any) -> None:
        """Declare a VM and wait until its guest is up."""
        await self.apply(self.vm(name, **spec))
        await self("wait", f"vs/{name}", "--for=condition=Ready", "--timeout=60s")


def config_map(name: str = "settings", **data: str) -> Document:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"a": "1"}}


@pytest.fixture
async def kubectl(simulated: Tenant, images: ImageServer) -> AsyncIterator[Kubectl]:
    async with kubectl_on(simulated, images) as found:
        yield found


@asynccontextmanager
async def kubectl_on(tenant: Tenant, images: ImageServer) -> AsyncIterator[Kubectl]:
    """Have a namespace of a stack, and kubectl in it."""
    with tempfile.TemporaryDirectory(prefix="vmflow-kubectl-") as folder:
        kubectl = Kubectl(tenant, images, Path(folder))
        await kubectl("create", "namespace", tenant.namespace)
        yield kubectl
        await kubectl("delete", "namespace", tenant.namespace, "--timeout=60s")
