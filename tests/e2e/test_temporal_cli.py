"""docs/contract.md, word by word: a VM's whole life with the `temporal` CLI alone, by the commands the page shows."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from runtime import temporal_server
from tests.e2e.stacks import ROOT, Said, eventually
from tests.e2e.tenant import VM, Tenant
from tests.image_server import ImageServer

_SECTION = "## A VM's whole life with the `temporal` CLI"
_IMAGE = "http://127.0.0.1:8099/debian.qcow2"
"""The image of the page's manifest; a test puts its own in its place, and its own namespace in `default`'s."""


class Page:
    """The page's commands, as a person pastes them into a shell."""

    def __init__(self, folder: Path, tenant: Tenant, image: str) -> None:
        section = (ROOT / "docs/contract.md").read_text().partition(_SECTION)[2].partition("\n## ")[0]
        section = section.replace("VirtualServer/default/", f"VirtualServer/{tenant.namespace}/")
        (manifest,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
        self.manifest = json.loads(manifest)
        self.manifest["metadata"]["namespace"] = tenant.namespace
        assert manifest.count(_IMAGE) == 1
        self.manifest["spec"]["storage"]["root"]["source"]["http"]["url"] = image
        (folder / "vm.json").write_text(json.dumps(self.manifest))
        shell = "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).replace("\\\n", "")
        self.commands = [" ".join(line.split()) for line in shell.splitlines()]
        self._folder, self._settings = folder, tenant.stack.settings

    async def run(self, part: str) -> Said:
        """Run the one command that has these words in it; it must succeed."""
        (command,) = [each for each in self.commands if part in each]
        self.commands.remove(command)
        program = await asyncio.to_thread(temporal_server.ensure, self._settings, print)
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=self._folder,
            env={
                "PATH": f"{program.parent}:{os.environ['PATH']}",
                "HOME": str(self._folder),
                "TEMPORAL_ADDRESS": self._settings.temporal_address,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, f"{command}: {out.decode()}{err.decode()}"
        return Said(0, out.decode(), err.decode())


@pytest.fixture
def page(tmp_path: Path, simulated: Tenant, images: ImageServer) -> Page:
    return Page(tmp_path, simulated, images.url + "/disk.qcow2")


async def test_a_vm_lives_by_the_temporal_cli_alone(page: Page, simulated: Tenant) -> None:
    await page.run("workflow start")
    simulated.expect(page.manifest, await simulated.uid())
    first = (await simulated.until_status("Running"))["vm"]["incarnation"]

    document = _object((await page.run("workflow describe")).out)
    assert (document["kind"], document["metadata"]["name"]) == ("VirtualServer", "web")
    assert document["status"] == await simulated.status()

    await page.run("--name stop")
    stopped = await simulated.until_status("Stopped")
    assert (stopped["runStrategy"], stopped["message"]) == ("Halted", "the guest shut itself down")
    await page.run("--name start")
    second = (await simulated.until_status("Running"))["vm"]["incarnation"]
    await page.run("--name restart")
    third = await simulated.until(
        lambda status: status["exits"] == 2 and status["printableStatus"] == "Running", "the VM has restarted"
    )
    assert len({first, second, third["vm"]["incarnation"]}) == 3

    await page.run("--name pause")
    paused = await simulated.until_status("Paused")
    assert paused["lastOperation"]["by"] == "ada"
    await page.run("--name unpause")
    await simulated.until_status("Running")
    await page.run("--name reset")
    assert (await simulated.until_status("Running"))["vm"]["incarnation"] == third["vm"]["incarnation"]
    await page.run("--name replace")
    await page.run("signal --workflow-id " + simulated.workflow() + " --name wake")

    await _listed(page, "VmflowStatus = 'Running'", simulated)
    await _listed(page, "VmflowHypervisor = 'local'", simulated)

    await page.run("--name delete")
    assert "nothing is left" in (await page.run("workflow result")).out
    assert page.commands == [], "every command of the page has been run"
    assert await simulated.objects.list(VM, simulated.namespace) == []
    await simulated.forget_images()
    await simulated.until_nothing_is_left()


async def _listed(page: Page, query: str, tenant: Tenant) -> None:
    """Check that a list names the VM; lists are a moment behind."""
    (command,) = [each for each in page.commands if query in each]

    async def listed() -> bool:
        page.commands = [*(each for each in page.commands if each != command), command]
        return tenant.workflow() in (await page.run(query)).out

    await eventually(listed, f"{query} lists the VM")


def _object(described: str) -> dict[str, Any]:
    """Return the object in `temporal workflow describe --output json`."""
    document: dict[str, Any] = json.loads(described)["workflowExecutionInfo"]["memo"]["fields"]["object"]
    return document
