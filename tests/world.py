"""A small world for workflow tests: real Temporal, real workers, a simulated hypervisor, a real image server."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from domain.backoff import Backoff
from domain.hypervisor import HypervisorSpec
from drivers.factory import open_driver
from drivers.simulator import SimulatorDriver
from drivers.simulator.control import Control
from images.policy import FetchPolicy
from manifests.contract import PowerRequest, ReplaceAnswer, ReplaceRequest, Update
from manifests.fleet import Hypervisor
from manifests.registry import Kind, kind_called, parse
from runtime.objects import Document, Objects
from runtime.wait import until
from tests.image_server import ImageServer
from workers.hypervisor import hypervisor_worker
from workers.lifecycle import workers

PATIENCE = 60.0
LOOPBACK = FetchPolicy(allowed_networks=("127.0.0.0/8",))


class World:
    """One zone with one simulated hypervisor, both named so that no other test's world meets them."""

    def __init__(
        self,
        client: Client,
        directory: Path,
        server: ImageServer,
        *,
        backoff: Backoff = Backoff(),  # noqa: B008 - a frozen value
        **simulator: Any,
    ) -> None:
        self.client = client
        self.backoff = backoff
        self.objects = Objects(client)
        self.name = f"w{uuid.uuid4().hex[:8]}"
        self.server = server
        self.directory = directory
        self.simulator = {"directory": str(directory), **simulator}

    @property
    def zone(self) -> Document:
        return {"apiVersion": "vmflow.dev/v1alpha1", "kind": "Zone", "metadata": {"name": self.name}}

    @property
    def hypervisor(self) -> Document:
        return {
            "apiVersion": "vmflow.dev/v1alpha1",
            "kind": "Hypervisor",
            "metadata": {"name": self.name},
            "spec": {"zone": self.name, "simulator": self.simulator},
        }

    def spec(self) -> HypervisorSpec:
        manifest = parse(self.hypervisor)
        assert isinstance(manifest, Hypervisor)
        return manifest.domain()

    def vm(self, name: str = "vm", *, strategy: str = "Always", image: str = "/disk.qcow2", **http: str) -> Document:
        return {
            "apiVersion": "tensorstack.dev/v1beta1",
            "kind": "VirtualServer",
            "metadata": {
                "name": name,
                "namespace": self.name,
                "labels": {"topology.kubernetes.io/zone": self.name},
            },
            "spec": {
                "resources": {"cpu": {"cores": "1"}, "memory": "256Mi"},
                "storage": {
                    "root": {"pvc": {"size": "4Gi"}, "source": {"http": {"url": self.server.url + image, **http}}},
                },
                "runStrategy": strategy,
            },
        }

    async def get(self, name: str = "vm") -> Document:
        return await self.objects.get(kind_called("vs"), name, self.name)

    def handle(self, name: str = "vm") -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(f"VirtualServer/{self.name}/{name}")

    async def status(self, name: str = "vm") -> dict[str, Any]:
        status: dict[str, Any] = (await self.get(name)).get("status", {})
        return status

    async def until(self, wanted: Callable[[dict[str, Any]], bool], name: str = "vm") -> dict[str, Any]:
        """Wait until a VM's status is as wanted and return it."""
        status: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal status
            status = await self.status(name)
            return wanted(status)

        try:
            await eventually(there)
        except TimeoutError:
            raise AssertionError(f"never as wanted; last: {status}") from None
        return status

    async def until_status(self, word: str, name: str = "vm") -> dict[str, Any]:
        return await self.until(lambda status: status.get("printableStatus") == word, name)

    async def ask(self, update: Update, name: str = "vm", **request: Any) -> None:
        await self.objects.operate(update, PowerRequest(**request), name, self.name)

    async def replace(self, manifest: Document, **request: Any) -> ReplaceAnswer:
        """Declare a VM anew."""
        return await self.objects.replace(manifest, ReplaceRequest(manifest=manifest, **request))

    def key(self, name: str = "vm") -> tuple[Kind, str, str]:
        """Return how the objects' API names a VM."""
        return kind_called("vs"), name, self.name

    async def delete(self, name: str = "vm") -> None:
        """Delete a VM and wait until its life is over."""
        await self.objects.delete(*self.key(name))
        async with asyncio.timeout(PATIENCE):
            await self.handle(name).result()

    @asynccontextmanager
    async def lifecycle(self) -> AsyncIterator[None]:
        """Serve workflows meanwhile."""
        async with AsyncExitStack() as stack:
            for worker in workers(self.client, self.backoff):
                await stack.enter_async_context(worker)
            yield

    @asynccontextmanager
    async def near(self, name: str = "") -> AsyncIterator[SimulatorDriver]:
        """Serve the hypervisor meanwhile, or another one by its name."""
        driver = open_driver(self.spec())
        assert isinstance(driver, SimulatorDriver)
        try:
            with hypervisor_worker(self.client, driver, name or self.name, LOOPBACK) as worker:
                async with worker:
                    yield driver
        finally:
            driver.close()

    def control(self) -> Control:
        return Control(str(self.directory))

    async def images(self) -> list[Document]:
        return await self.objects.list(kind_called("images"), self.name)

    async def zone_status(self) -> dict[str, Any]:
        return await self._status("zones")

    async def hypervisor_status(self) -> dict[str, Any]:
        return await self._status("hypervisors")

    async def _status(self, kind: str) -> dict[str, Any]:
        status: dict[str, Any] = (await self.objects.get(kind_called(kind), self.name)).get("status", {})
        return status

    async def audit(self, driver: SimulatorDriver) -> None:
        """Check that no VM has left anything: domains, volumes, partial files, claims, or an image nobody got."""
        assert driver.inventory() == []

        async def settled() -> bool:
            zone, images = await self.zone_status(), await self.images()
            ready = all(image["status"]["printableStatus"] == "Ready" for image in images)
            return ready and (zone["placed"], zone["waiting"]) == (0, 0) and not driver.leftovers()

        await eventually(settled)

    async def uid(self, name: str = "vm") -> str:
        return str((await self.get(name))["metadata"]["uid"])

    async def make_stubborn(self, name: str = "vm", *, stubborn: bool = True) -> None:
        """Make a guest ignore every request to shut down, or listen again."""
        control = self.control()
        control.make_stubborn(await self.uid(name), stubborn=stubborn)
        control.close()

    async def declare(self) -> None:
        await self.objects.apply(self.zone)
        await self.objects.apply(self.hypervisor)

    async def redeclare(self) -> None:
        """Declare the hypervisor anew, after changing what it is."""
        await self.objects.delete(kind_called("hypervisors"), self.name)
        await self.client.get_workflow_handle(f"Hypervisor/{self.name}").result()
        await self.objects.apply(self.hypervisor)

    async def end(self) -> None:
        """End whatever the world still has, without asking: what a failed test left must not hold up the next."""
        async for each in self.client.list_workflows("ExecutionStatus = 'Running'"):
            if self.name in each.id.split("/"):
                await self._terminate(each.id)

    async def _terminate(self, object_id: str) -> None:
        try:
            await self.client.get_workflow_handle(object_id).terminate("the test is over")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # lists show a workflow for a moment after its end
                raise


async def eventually(condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    async with asyncio.timeout(patience):
        await until(condition, every=0.05)
