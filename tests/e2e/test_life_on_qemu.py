"""A VM's life as a user sees it: the command line, real workers, real QEMU, an answer from inside the guest."""

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from tests.e2e import libvirt_host
from tests.e2e.answers import answer
from tests.e2e.tenant import WEB, Tenant
from tests.image_server import ImageServer

pytestmark = [pytest.mark.qemu, pytest.mark.xdist_group("qemu")]


async def test_a_vm_lives_as_its_user_asks(qemu: Tenant, images: ImageServer, tiny: Path) -> None:
    manifest = qemu.vm(images.serve("/tiny.qcow2", tiny), cloudInit=WEB)
    applied = await qemu.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert (applied.code, applied.out) == (0, "virtualserver/web created\n"), applied
    uid = await qemu.uid()
    qemu.expect(manifest, uid)
    assert (await qemu.vmflow("wait", "web", "--timeout", "120")).code == 0

    status = await qemu.until_ready()
    (address, *_) = status["guest"]["addresses"]
    assert await answer(address) == "hello from web\n"
    await _shows_itself(qemu, uid, address)
    await _stops_and_starts(qemu)
    await _comes_back_after_somebody_powers_it_off(qemu, uid)

    deleted = await qemu.vmflow("delete", "vs", "web")
    assert (deleted.code, deleted.out) == (0, "virtualserver/web deleted\n")
    await qemu.forget_images()
    await qemu.until_nothing_is_left()


async def _shows_itself(qemu: Tenant, uid: str, address: str) -> None:
    document = json.loads((await qemu.vmflow("get", "vs", "web", "-o", "json")).out)
    assert (document["metadata"]["uid"], document["status"]["printableStatus"]) == (uid, "Running")
    listed = yaml.safe_load((await qemu.vmflow("get", "vs", "-o", "yaml")).out)
    assert [each["metadata"]["name"] for each in listed["items"]] == ["web"]
    wide = (await qemu.vmflow("get", "vs", "-o", "wide")).out
    assert address in wide
    assert "managed-virtualserver-" in wide
    assert f"UID: {uid}" in (await qemu.vmflow("describe", "vs", "web")).out
    story = (await qemu.vmflow("events", "web")).out.splitlines()
    assert "declared" in story[0]
    assert "Running: the guest is up" in story[-1]
    assert (await qemu.vmflow("why", "web")).out.startswith("web is Running (GuestBooted)\n")
    boot = (await qemu.vmflow("console", "web", "--log")).out
    assert "tiny: user-data ended with status 0" in boot
    assert f"instance {uid}" in boot


async def _stops_and_starts(qemu: Tenant) -> None:
    first = (await qemu.status())["vm"]["incarnation"]
    assert (await qemu.vmflow("stop", "web")).out == "virtualserver/web stop accepted; run strategy Halted\n"
    assert (await qemu.vmflow("wait", "web", "--for=Stopped", "--timeout", "60")).code == 0
    assert (await qemu.status())["message"] == "the guest shut itself down"
    assert (await qemu.vmflow("start", "web")).out == "virtualserver/web start accepted; run strategy Always\n"
    second = (await qemu.until_ready())["vm"]["incarnation"]
    assert (await qemu.vmflow("restart", "web")).code == 0
    third = await qemu.until(
        lambda status: status["exits"] == 2 and status["printableStatus"] == "Running", "the VM has restarted"
    )
    assert len({first, second, third["vm"]["incarnation"]}) == 3


async def _comes_back_after_somebody_powers_it_off(qemu: Tenant, uid: str) -> None:
    libvirt = qemu.stack.hypervisor().libvirt
    assert libvirt is not None
    await asyncio.to_thread(libvirt_host.virsh, libvirt.uri, "destroy", uid)
    await qemu.until(lambda status: status["exits"] == 3, "the VM has noticed")
    status = await qemu.until_ready()
    assert status["runStrategy"] == "Always"
    assert await answer(status["guest"]["addresses"][0]) == "hello from web\n"
