"""Long lives: history starts anew now and then, and nobody notices. The server asks for it far earlier than usual."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client

from drivers.simulator.control import Control
from manifests.contract import Signal, Update, Want
from manifests.registry import kind_called
from runtime.client import connect
from tests.temporal_server import private_server
from tests.world import World, eventually

SUGGESTED_AFTER = 30
"""Events of history after which this server suggests to continue as new; usually it is 4096."""


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    async with private_server(limit__historyCount__suggestContinueAsNew=SUGGESTED_AFTER) as settings:
        yield await connect(settings)


async def runs(world: World, object_id: str) -> int:
    """Return how many runs an object's life had so far."""
    return (await world.client.count_workflows(f"WorkflowId = '{object_id}'")).count


async def test_a_vm_lives_on_with_its_identity_its_conditions_and_its_requests(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm(strategy="Manual"))
        await world.until_status("Stopped")
        born = (await world.get())["metadata"]
        imported = (await world.status())["conditions"][0]
        await world.ask(Update.START, request="the one start")
        await world.until_status("Running")
        for _ in range(4):
            exits = (await world.status())["exits"]
            await world.ask(Update.RESTART)
            await world.until(lambda status, exits=exits: status["exits"] == exits + 1)  # type: ignore[misc]
            running = await world.until_status("Running")
        assert await runs(world, world.handle().id) > 2
        await world.ask(Update.START, request="the one start")
        await world.ask(Update.RESTART, request="the one start")
        assert (await world.until_status("Running"))["vm"] == running["vm"]
        assert (await world.get())["metadata"] == born
        assert (await world.status())["conditions"][0] == imported
        assert (await world.zone_status())["placed"] == 1
        await world.delete()
        await world.audit(driver)


async def test_no_operation_is_lost_while_history_starts_anew(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm(strategy="Manual"))
        await world.until_status("Stopped")
        for number in range(12):
            await asyncio.gather(*(world.ask(Update.START, request=f"{number}-{each}") for each in range(3)))
            await world.until_status("Running")
            await asyncio.gather(*(world.ask(Update.STOP, force=True) for _ in range(2)))
            await world.until_status("Stopped")
        assert (await world.status())["exits"] == 12
        assert await runs(world, world.handle().id) > 5
        await world.delete()
        await world.audit(driver)


async def test_a_deletion_in_a_later_run_leaves_nothing(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        for _ in range(SUGGESTED_AFTER // 3):
            await world.handle().signal(Signal.WAKE, "guest")
        await world.delete()
        await world.audit(driver)


async def test_a_zones_ledger_outlives_its_history(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm("staying"))
        await world.until_status("Running", "staying")
        for number in range(6):
            await world.objects.apply(world.vm(f"vm{number}"))
            await world.until_status("Running", f"vm{number}")
            await world.delete(f"vm{number}")
        assert await runs(world, f"Zone/{world.name}") > 1
        assert (await world.zone_status())["hypervisors"][world.name]["ready"] is True
        assert (await world.zone_status())["placed"] == 1
        await world.delete("staying")
        await world.audit(driver)


async def test_an_image_that_is_asked_for_often_remembers_who_waits(world: World) -> None:
    world.server.resource("/disk.qcow2").status = 404
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until(lambda status: status.get("reason") == "ImageNotFound")
        (image,) = await world.images()
        handle = world.client.get_workflow_handle(f"Image/{world.name}/{image['metadata']['name']}")
        for number in range(SUGGESTED_AFTER // 2):
            want = Want(hypervisor=world.name, vm=f"VirtualServer/{world.name}/nobody{number}")
            await handle.signal(Signal.WANT, want)
            await handle.signal(Signal.FORGET, want)

        async def continued() -> bool:
            return await runs(world, handle.id) > 1

        await eventually(continued)
        (again,) = await world.images()
        assert again == image
        world.server.resource("/disk.qcow2").status = 0
        await world.objects.delete(kind_called("images"), image["metadata"]["name"], world.name)
        await world.until_status("Running")
        await world.delete()
        await world.audit(driver)


@pytest.mark.usefixtures("hasty")
async def test_a_hypervisor_in_long_trouble_still_says_which(world: World, control: Control) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        control.unreachable(cut=True)
        seen: list[Any] = []

        async def continued() -> bool:
            seen.append((await world.hypervisor_status())["reason"])
            return await runs(world, f"Hypervisor/{world.name}") > 2

        await eventually(continued)
        assert set(seen[seen.index("HypervisorUnreachable") :]) == {"HypervisorUnreachable"}
        control.unreachable(cut=False)
        await world.ask(Update.STOP)
        await world.until_status("Stopped")
        await world.delete()
