"""One test's namespace on a stack: its VMs, what it waits for, and the question whether anything of them is left."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from domain.image import ImageSource, image_key
from domain.problem import Problem
from drivers.factory import open_driver
from manifests.contract import workflow_id
from manifests.registry import kind_called
from runtime.objects import Document, Objects
from tests.e2e import libvirt_host
from tests.e2e.stacks import PrivateStack, Said, Status, eventually, open_workflows, terminate, vmflow

VM, IMAGE = kind_called("virtualservers"), kind_called("images")

WEB = """#!/bin/sh
mkdir -p /srv
echo "hello from $(hostname)" > /srv/index.html
busybox httpd -p 80 -h /srv
"""
"""User data that makes the tiny guest answer HTTP."""


class Tenant:
    """A namespace of its own, so that images, names and traces are nobody else's."""

    def __init__(self, stack: PrivateStack) -> None:
        self.stack = stack
        self.namespace = f"t{uuid4().hex[:8]}"
        self.variables: dict[str, str] = {}
        self._words: set[str] = {self.namespace}

    @property
    def objects(self) -> Objects:
        return self.stack.objects

    def vm(self, url: str, *, name: str = "web", **spec: Any) -> Document:
        """Return the manifest of a small VM; `spec` replaces parts of it, and `checksum` pins its image."""
        http = {"url": url, **({"checksum": spec.pop("checksum")} if "checksum" in spec else {})}
        return {
            "apiVersion": VM.api_version,
            "kind": VM.kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "resources": {"cpu": {"cores": "1"}, "memory": "128Mi"},
                "storage": {"root": {"pvc": {"size": "1Gi"}, "source": {"http": http}}},
                **spec,
            },
        }

    async def apply(self, document: Document) -> str:
        """Declare a VM; return its UID."""
        await self.objects.apply(document)
        uid = await self.uid(document["metadata"]["name"])
        self.expect(document, uid)
        return uid

    async def uid(self, name: str = "web") -> str:
        """Return a VM's UID: the id of its workflow's first run, known from the first moment."""
        uid = (
            await self.objects.describe(VM, name, self.namespace)
        ).raw_description.workflow_execution_info.first_run_id
        assert uid
        return uid

    def expect(self, document: Document, uid: str) -> None:
        """Remember what a VM that somebody else declared would leave."""
        http = document["spec"]["storage"]["root"]["source"]["http"]
        source = ImageSource(url=http["url"], checksum=http.get("checksum", ""))
        self._words |= {uid, image_key(self.namespace, source)}

    def workflow(self, name: str = "web") -> str:
        """Return the id of the workflow that is a VM."""
        return workflow_id(VM.kind, name, self.namespace)

    async def vmflow(self, command: str, *arguments: str, stdin: str = "") -> Said:
        """Run a command on this namespace, with this tenant's environment variables."""
        words = (command, *arguments, "--namespace", self.namespace)
        return await vmflow(self.stack.settings, *words, stdin=stdin, **self.variables)

    async def status(self, name: str = "web") -> Status:
        status: Status = (await self.objects.get(VM, name, self.namespace)).get("status", {})
        return status

    async def until(self, wanted: Callable[[Status], bool], what: str, name: str = "web") -> Status:
        """Wait until a VM's status is as wanted and return it."""
        status: Status = {}

        async def there() -> bool:
            nonlocal status
            status = await self.status(name)
            return wanted(status)

        try:
            await eventually(there, what)
        except AssertionError as error:
            error.add_note(f"last status: {status}\n{(await self.vmflow('why', name)).out}")
            raise
        return status

    async def until_ready(self, name: str = "web") -> Status:
        """Wait until the guest is up and its address is known."""
        return await self.until(
            lambda status: status.get("printableStatus") == "Running" and bool(status["guest"]["addresses"]),
            f"{name} is Running with an address",
            name,
        )

    async def until_status(self, word: str, name: str = "web") -> Status:
        return await self.until(lambda status: status.get("printableStatus") == word, f"{name} is {word}", name)

    async def until_ran(self, name: str, exits: int) -> Status:
        """Wait until a guest runs whose forerunners ended so often."""
        return await self.until(
            lambda status: status["exits"] == exits and status["printableStatus"] == "Running",
            f"{name} runs after {exits} exits",
            name,
        )

    async def until_failure(self, name: str = "web") -> dict[str, str]:
        """Wait until the Failure condition is true and return it."""
        status = await self.until(lambda status: bool(_failure(status)), f"{name} shows what failed", name)
        return _failure(status)[0]

    async def delete(self, name: str = "web") -> None:
        """Delete a VM and wait until its life is over."""
        handle = self.objects.client.get_workflow_handle((await self.objects.describe(VM, name, self.namespace)).id)
        await self.objects.delete(VM, name, self.namespace)
        async with asyncio.timeout(60):
            await handle.result()

    async def forget_images(self) -> None:
        """Delete this namespace's images: they are kept for the next VM otherwise."""
        for image in await self.objects.list(IMAGE, self.namespace):
            with suppress(Problem):  # it may have gone by itself since it was listed
                await self.objects.delete(IMAGE, image["metadata"]["name"], self.namespace)

    async def until_nothing_is_left(self) -> None:
        """Wait until no trace is left anywhere; the error names what is."""
        left: list[str] = []

        async def clean() -> bool:
            left[:] = await self.left()
            return not left

        try:
            await eventually(clean, "nothing of the VM is left", within=20)
        except AssertionError as error:
            error.add_note(f"left: {left}")
            raise

    async def left(self) -> list[str]:
        """Name every trace: workflows, domains, files, what the driver calls left over, and claims nobody holds."""
        workflows = await open_workflows(self.objects, self.namespace)
        here = await asyncio.to_thread(self._on_the_hypervisor)
        placed = [each for each in await self.objects.list(VM) if each.get("status", {}).get("placement")]
        claims = await self.stack.claims()
        odd = [] if claims == (len(placed), 0) else [f"{claims} claims for {len(placed)} placed VMs"]
        return workflows + here + odd

    async def leftovers(self) -> list[str]:
        """Name what the driver finds on the whole hypervisor that belongs to no domain."""
        return await asyncio.to_thread(self._leftovers)

    def _leftovers(self) -> list[str]:
        driver = open_driver(self.stack.hypervisor())
        try:
            return driver.leftovers()
        finally:
            driver.close()

    def _on_the_hypervisor(self) -> list[str]:
        spec = self.stack.hypervisor()
        driver = open_driver(spec)
        try:
            domains = [f"domain {seen.uid}" for seen in driver.inventory() if self._mine(f"{seen.owner} {seen.uid}")]
            over = [f"leftover {name}" for name in driver.leftovers() if self._mine(name)]
        finally:
            driver.close()
        if spec.libvirt:
            domains += [f"libvirt domain {uid}" for uid in libvirt_host.domains(spec.libvirt.uri, self.namespace)]
        return domains + over + self.files()

    def files(self) -> list[str]:
        """Name this namespace's files on the hypervisor, relative to its folder; locks are nobody's."""
        folder = self.stack.folder
        paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
        return sorted(str(path.relative_to(folder)) for path in paths if self._mine(path.name))

    async def clear(self) -> None:
        """Remove whatever a test, also a failed one, has left."""
        for document in await self.objects.list(VM, self.namespace):
            try:
                await self.delete(document["metadata"]["name"])
            except (Problem, TimeoutError):
                await asyncio.to_thread(self._remove, document["metadata"].get("uid", ""))
        await self.forget_images()
        for workflow in await open_workflows(self.objects, self.namespace):
            await terminate(self.objects, workflow)

    def _remove(self, uid: str) -> None:
        driver = open_driver(self.stack.hypervisor())
        try:
            if uid:
                driver.ensure_removed(uid)
        finally:
            driver.close()

    def _mine(self, text: str) -> bool:
        return any(word in text for word in self._words)


def _failure(status: Status) -> list[dict[str, str]]:
    conditions: list[dict[str, str]] = status.get("conditions", [])
    return [each for each in conditions if each["type"] == "Failure" and each["status"] == "True"]
