"""Every cell of the run strategies' table, through the command line, on real QEMU.

The table is the VirtualServer documentation's, written down here once more: the code's own is not asked. A cell is
tried on a guest that is as the row implies: running, or off where the operation is to run it.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from runtime.objects import Document
from tests.cli.saying import error
from tests.drivers.libvirt_hosts import processes
from tests.e2e import libvirt_host
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer

pytestmark = [pytest.mark.qemu, pytest.mark.xdist_group("qemu")]

REFUSED = "-"
OPERATIONS = ("start", "stop", "restart")
TABLE = {
    "Always": (REFUSED, "Halted", "Always"),
    "RerunOnFailure": ("RerunOnFailure", "Halted", "RerunOnFailure"),
    "Manual": ("Manual", "Manual", "Manual"),
    "Halted": ("Always", REFUSED, REFUSED),
    "Once": (REFUSED, "Halted", REFUSED),
}
"""(strategy before) → strategy after start, stop and restart. Once is KubeVirt's; the documentation has the others."""


class Cell(NamedTuple):
    """What an operation came to. guest: what became of the process: `same`, `new`, `ended`, `none`."""

    after: str
    guest: str


GUESTS = {"start": "new", "stop": "ended", "restart": "new"}
"""What an accepted operation does to the guest's process; a refused one leaves it as it is."""


class Vm:
    """One VM of a tenant, operated by the command line and watched by its QEMU process."""

    def __init__(self, qemu: Tenant, name: str, uid: str) -> None:
        self._qemu = qemu
        self._name = name
        self._uid = uid
        self.cells: dict[tuple[str, str], Cell] = {}

    async def settle(self, word: str) -> None:
        """Wait until the VM is Running with a booted guest, or Stopped."""
        await (self._qemu.until_ready(self._name) if word == "Running" else self._qemu.until_status(word, self._name))

    async def operate(self, operation: str) -> None:
        """Fill one cell, of the row the VM is in."""
        before, pids = (await self._qemu.status(self._name))["runStrategy"], self._pids()
        said = await self._qemu.vmflow(operation, self._name)
        if said.code == 0:
            assert said.err == ""
            await self._reached(operation, pids)
            after = (await self._qemu.status(self._name))["runStrategy"]
            assert said.out.endswith(f"{operation} accepted; run strategy {after}\n"), said
        else:
            vm = f"VirtualServer/{self._qemu.namespace}/{self._name}"
            why = f"{operation} does not apply while the run strategy is {before}; possible now: "
            assert (said.code, said.out) == (1, "")
            assert said.err.startswith(f"{error('Conflict')}{vm}: {why}"), said
            assert (await self._qemu.status(self._name))["runStrategy"] == before
            after = REFUSED
        self.cells[before, operation] = Cell(after, _became(pids, self._pids()))

    async def power_off_from_inside(self) -> None:
        """Press the power button, which this guest obeys: its own doing, whoever pressed."""
        libvirt = self._qemu.stack.hypervisor().libvirt
        assert libvirt is not None
        await asyncio.to_thread(libvirt_host.virsh, libvirt.uri, "shutdown", self._uid, "--mode", "acpi")
        await self.settle("Stopped")

    async def _reached(self, operation: str, pids: list[int]) -> None:
        """Wait until an accepted operation is met: by another process, or by none."""
        await self._qemu.until(
            lambda status: self._pids() != pids and (operation != "stop" or status["vm"]["power"] == "Off"),
            f"{self._name} has met {operation}",
            self._name,
        )
        await self.settle("Stopped" if operation == "stop" else "Running")

    def _pids(self) -> list[int]:
        return processes(f"\0-uuid\0{self._uid}\0")


def _became(before: list[int], after: list[int]) -> str:
    assert max(len(before), len(after)) <= 1, "one process for a guest"
    if before == after:
        return "same" if after else "none"
    return "new" if after else "ended"


def manifest(qemu: Tenant, image: str, name: str, strategy: str) -> Document:
    return qemu.vm(image, name=name, runStrategy=strategy)


async def always_and_halted(vm: Vm) -> None:
    await vm.settle("Running")
    for operation in ("start", "restart", "stop"):
        await vm.operate(operation)
    for operation in ("stop", "restart", "start"):
        await vm.operate(operation)


async def rerun_on_failure(vm: Vm) -> None:
    await vm.settle("Running")
    await vm.power_off_from_inside()
    for operation in ("start", "restart", "stop"):
        await vm.operate(operation)


async def manual(vm: Vm) -> None:
    await vm.settle("Stopped")
    for operation in ("start", "restart", "stop"):
        await vm.operate(operation)


async def once(vm: Vm) -> None:
    await vm.settle("Running")
    for operation in ("start", "restart", "stop"):
        await vm.operate(operation)


LIVES = {"Always": always_and_halted, "RerunOnFailure": rerun_on_failure, "Manual": manual, "Once": once}


async def test_every_operation_does_to_every_run_strategy_what_the_table_says(
    qemu: Tenant, images: ImageServer, tiny: Path, figure: Callable[[str], None]
) -> None:
    image = images.serve("/tiny.qcow2", tiny)
    names = {strategy: strategy.lower() for strategy in LIVES}
    uids = {each: await qemu.apply(manifest(qemu, image, names[each], each)) for each in LIVES}
    vms = {each: Vm(qemu, names[each], uids[each]) for each in LIVES}
    await asyncio.gather(*(LIVES[each](vm) for each, vm in vms.items()))

    found = {place: cell for vm in vms.values() for place, cell in vm.cells.items()}
    figure(_figure(found))
    assert found == {
        (strategy, operation): Cell(after, _stays(strategy) if after == REFUSED else GUESTS[operation])
        for strategy, row in TABLE.items()
        for operation, after in zip(OPERATIONS, row, strict=True)
    }
    for name in names.values():
        await qemu.delete(name)
    await qemu.forget_images()
    await qemu.until_nothing_is_left()


def _stays(strategy: str) -> str:
    """Return what is there, and stays, when a strategy refuses an operation."""
    return "none" if strategy == "Halted" else "same"


def _figure(found: dict[tuple[str, str], Cell]) -> str:
    """Return the table as it was found: strategy after, and what became of the guest's process."""
    rows = [["", *OPERATIONS]]
    rows += [[each, *(" ".join(found[each, operation]) for operation in OPERATIONS)] for each in TABLE]
    return "".join("\n  " + "".join(cell.ljust(22) for cell in row).rstrip() for row in rows)
