"""A VM's whole life, on real Temporal and the simulator."""

from typing import Any

from temporalio.client import WorkflowExecutionStatus

from domain.guest import Power
from manifests.contract import Update
from manifests.registry import kind_called
from tests.world import World, eventually


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(each for each in status["conditions"] if each["type"] == kind)


async def test_a_declared_vm_reaches_running_with_an_address(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        status = await world.until_status("Running")
        assert condition(status, "Ready")["status"] == "True"
        assert condition(status, "DataImported")["reason"] == "Succeeded"
        assert status["guest"]["addresses"]
        assert status["vm"]["name"].startswith("managed-virtualserver-")
        await world.delete()


async def test_deleting_leaves_nothing_anywhere(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.delete()
        await world.audit(driver)


async def test_stop_start_and_restart_make_incarnations(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        first = (await world.until_status("Running"))["vm"]["incarnation"]
        await world.ask(Update.STOP)
        stopped = await world.until_status("Stopped")
        assert (stopped["runStrategy"], stopped["vm"]["power"]) == ("Halted", "Off")
        await world.ask(Update.START)
        second = (await world.until_status("Running"))["vm"]["incarnation"]
        await world.ask(Update.RESTART)
        third = await world.until(lambda status: status["exits"] == 2 and status["printableStatus"] == "Running")
        assert len({first, second, third["vm"]["incarnation"]}) == 3
        await world.delete()


async def test_a_halted_vm_is_built_but_not_started(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm(strategy="Halted"))
        status = await world.until_status("Stopped")
        assert condition(status, "DataImported")["status"] == "True"
        assert [seen.power for seen in driver.inventory()] == [Power.OFF]
        await world.delete()


async def test_many_vms_share_one_import(world: World) -> None:
    async with world.near():
        for number in range(5):
            await world.objects.apply(world.vm(f"vm{number}"))
        for number in range(5):
            await world.until_status("Running", f"vm{number}")
        assert world.server.requests == 1
        for number in range(5):
            await world.delete(f"vm{number}")


async def test_the_guests_own_power_off_is_followed_by_the_run_strategy(world: World) -> None:
    async with world.near():
        for strategy, ends_as in (("Always", "Running"), ("RerunOnFailure", "Stopped")):
            name = strategy.lower()
            await world.objects.apply(world.vm(name, strategy=strategy))
            await world.until_status("Running", name)
            control = world.control()
            control.power_off_from_inside(await world.uid(name))
            control.close()
            await world.until(lambda status: status["exits"] == 1, name)
            await world.until_status(ends_as, name)
            await world.delete(name)


async def test_force_ends_a_stop_that_the_guest_ignores(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.make_stubborn()
        await world.ask(Update.STOP)
        await world.until_status("Stopping")
        await world.ask(Update.STOP, force=True)
        assert (await world.until_status("Stopped"))["message"] == "the guest was powered off"
        await world.delete()


async def test_a_start_during_a_stop_wins(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        first = (await world.until_status("Running"))["vm"]["incarnation"]
        await world.make_stubborn()
        await world.ask(Update.STOP)
        await world.until_status("Stopping")
        await world.ask(Update.START)
        assert (await world.until_status("Running"))["vm"]["incarnation"] == first
        await world.ask(Update.STOP, force=True)
        await world.until_status("Stopped")
        await world.delete()


async def test_reads_creates_and_deletes_need_no_hypervisor(world: World) -> None:
    await world.objects.apply(world.vm())
    status = await world.until_status("FailedUnschedulable")
    assert status["message"].endswith("no hypervisor of the zone is ready")
    await world.delete()
    description = await world.handle().describe()
    assert description.status is WorkflowExecutionStatus.COMPLETED


async def test_a_vm_without_room_says_so_with_the_numbers_and_is_woken_by_room(world: World) -> None:
    async with world.near():
        big = world.vm("big")
        big["spec"]["resources"]["memory"] = "200Gi"
        await world.objects.apply(big)
        await world.until_status("Running", "big")
        second = world.vm("second")
        second["spec"]["resources"]["memory"] = "100Gi"
        await world.objects.apply(second)
        status = await world.until_status("FailedUnschedulable", "second")
        assert "0/1 hypervisors have 1 CPU and 100 GiB free" in status["message"]
        await world.delete("big")
        await world.until_status("Running", "second")
        await world.delete("second")


async def test_the_image_is_kept_for_the_next_vm(world: World) -> None:
    async with world.near():
        for _ in range(2):
            await world.objects.apply(world.vm())
            await world.until_status("Running")
            await world.delete()
        assert world.server.requests == 1
        (image,) = await world.objects.list(kind_called("images"), world.name)
        await world.objects.delete(kind_called("images"), image["metadata"]["name"], world.name)

        async def gone() -> bool:
            return not await world.objects.list(kind_called("images"), world.name)

        await eventually(gone)
