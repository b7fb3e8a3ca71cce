"""The audit after every fault: one of everything for each VM while it lives, nothing of it when it is gone."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from drivers.factory import open_driver
from tests.e2e import libvirt_host
from tests.e2e.stacks import eventually
from tests.e2e.tenant import Tenant

PARTS = (".console.log", ".root.qcow2", ".seed.iso")
"""What a VM that has run keeps among the volumes; one that never ran has no console log."""


class _Scene(NamedTuple):
    """What is there: a namespace's domains by owner, and what on the whole hypervisor belongs to no domain."""

    domains: list[tuple[str, str]]
    leftovers: list[str]


async def one_of_everything(tenant: Tenant, **uids: str) -> None:
    """Check that each of these VMs, by name, is the one that was declared, and that nothing else is there.

    One domain each and no other, its disk and its seed, no partial file, the image once, and one claim each.
    """
    for name, uid in uids.items():
        assert await tenant.uid(name) == uid
    scene = await asyncio.to_thread(_scene, tenant)
    assert scene.domains == sorted((f"{tenant.namespace}/{name}", uid) for name, uid in uids.items())
    assert scene.leftovers == []

    async def claimed_once() -> bool:
        return await tenant.stack.claims() == (len(uids), 0)

    await eventually(claimed_once, "one claim for each VM; nobody else uses the stack meanwhile", within=20)
    if tenant.stack.hypervisor().libvirt:
        _files(tenant.files(), set(uids.values()))


async def goes_without_a_trace(tenant: Tenant, *names: str) -> None:
    """Delete these VMs, and see that nothing is left of them anywhere."""
    for name in names:
        await tenant.delete(name)
    await tenant.forget_images()
    await tenant.until_nothing_is_left()
    assert await tenant.leftovers() == []


def _files(files: list[str], uids: set[str]) -> None:
    volumes = {Path(name).name for name in files if name.startswith("volumes/")}
    logs = {name for name in volumes if name.endswith(PARTS[0])}
    assert volumes - logs == {f"{uid}{part}" for uid in uids for part in PARTS[1:]}
    assert logs <= {f"{uid}{PARTS[0]}" for uid in uids}
    images = sorted(Path(name).suffix for name in files if name.startswith("images/"))
    assert images == [".json", ".qcow2"], "the image is there once, whole, with what is known of it"


def _scene(tenant: Tenant) -> _Scene:
    spec = tenant.stack.hypervisor()
    driver = open_driver(spec)
    try:
        seen = [each for each in driver.inventory() if each.owner.startswith(f"{tenant.namespace}/")]
        leftovers = driver.leftovers()
    finally:
        driver.close()
    if spec.libvirt:
        found = libvirt_host.domains(spec.libvirt.uri, f">{tenant.namespace}/")
        assert found == sorted(each.uid for each in seen), "libvirt itself knows the same domains"
    return _Scene(sorted((each.owner, each.uid) for each in seen), leftovers)
