"""From declaring a VM to its domain running, image cached, against `virt-install --import` of the same image.

Both make a linked clone and start it, in turns on the same libvirt daemon; both clocks stop when libvirt says that the
domain runs.
"""

import asyncio
import statistics
import subprocess
import time
import uuid
from pathlib import Path

import libvirt

from benchmarks.harness import delete, machine, report, say, stack, until_status
from runtime.objects import Objects
from runtime.settings import Settings
from runtime.wait import until

GOAL = 1.0
RUNS = 7
GUESTS = Path(".cache/guests").absolute()


async def main() -> None:
    """Measure."""
    async with stack("libvirt", GUESTS) as (objects, url, settings):
        source = f"{url}/tiny.qcow2"
        await objects.apply(machine("first", source))
        await until_status(objects, "first", "Running")
        connection = await asyncio.to_thread(libvirt.open, "qemu:///system")
        ours, theirs = [], []
        for number in range(RUNS):
            name = f"vm{number}"
            ours.append(await _vmflow(objects, connection, name, source))
            await delete(objects, name)
            theirs.append(await asyncio.to_thread(_virt_install, connection, settings))
            say(f"run {number + 1} of {RUNS}: vmflow {ours[-1]:.2f} s, virt-install {theirs[-1]:.2f} s")
        await delete(objects, "first")
        connection.close()
    ratio = statistics.median(ours) / statistics.median(theirs)
    report("provision", ours, ratio=ratio, goal=GOAL, against="virt-install --import", other=statistics.median(theirs))


async def _vmflow(objects: Objects, connection: libvirt.virConnect, name: str, source: str) -> float:
    began = time.monotonic()
    before = {each.UUIDString() for each in connection.listAllDomains()}
    await objects.apply(machine(name, source))

    async def runs() -> bool:
        active = await asyncio.to_thread(connection.listAllDomains, libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING)
        return any(each.UUIDString() not in before for each in active)

    await until(runs, every=0.01)
    took = time.monotonic() - began
    await until_status(objects, name, "Running")
    return took


def _virt_install(connection: libvirt.virConnect, settings: Settings) -> float:
    name = f"bench-{uuid.uuid4().hex[:8]}"
    directory = settings.hypervisor_directory
    image = next((directory / "images").glob("*.qcow2"))
    volume = directory / f"{name}.qcow2"
    began = time.monotonic()
    subprocess.run(
        [
            "virt-install",
            "--connect=qemu:///system",
            "--import",
            "--virt-type=qemu",  # as vmflow where KVM does not work; without it virt-install believes /dev/kvm
            f"--name={name}",
            "--memory=256",
            "--vcpus=1",
            f"--disk=path={volume},size=4,format=qcow2,backing_store={image},backing_format=qcow2",
            "--osinfo=detect=off,require=off",
            "--graphics=none",
            "--network=none",
            "--noautoconsole",
            "--quiet",
        ],
        check=True,
    )
    domain = connection.lookupByName(name)
    took = time.monotonic() - began
    if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
        raise RuntimeError(f"virt-install left {name} in state {domain.state()}")
    domain.destroy()
    domain.undefine()
    for pool in connection.listAllStoragePools():  # virt-install declares one for the folder of its disk
        if pool.name() == directory.name:
            pool.destroy()
            pool.undefine()
    volume.unlink()
    return took


if __name__ == "__main__":
    asyncio.run(main())
