"""What `vmflow down --purge` removes from this machine, and when it refuses to."""

import asyncio

import pytest

from runtime.stack import Stack
from tests.e2e import libvirt_host
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer

pytestmark = [pytest.mark.qemu, pytest.mark.xdist_group("qemu")]


async def test_pool_and_network_go_with_down_purge_unless_a_guest_needs_them(qemu: Tenant, images: ImageServer) -> None:
    libvirt = qemu.stack.hypervisor().libvirt
    assert libvirt is not None
    manifest = qemu.vm(images.url + "/disk.qcow2", runStrategy="Halted")
    await qemu.apply(manifest)
    domain = (await qemu.until_status("Stopped"))["vm"]["name"]

    refused = await qemu.stack.vmflow("down", "--purge")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("Error (GuestsRemain): ")
    assert domain in refused.err
    assert all(member.ready for member in await Stack(qemu.stack.settings).status()), "nothing was stopped"

    await qemu.delete()
    done = await qemu.stack.vmflow("down", "--purge")
    assert done.code == 0, done
    assert f"storage pool {libvirt.pool}: removed\n" in done.out
    assert f"network {libvirt.pool}: removed\n" in done.out

    await qemu.stack.up()
    await qemu.apply(manifest)
    await qemu.until_status("Stopped")
    pools = await asyncio.to_thread(libvirt_host.virsh, libvirt.uri, "pool-list", "--name")
    assert libvirt.pool in pools.split(), "it is made anew when it is needed"
