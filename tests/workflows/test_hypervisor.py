"""What becomes of VMs when their hypervisor, its worker or their guest goes and comes back."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from drivers.simulator.control import Control
from drivers.simulator.faults import Fault, Kind
from manifests.contract import Signal, Update
from manifests.registry import kind_called
from tests.image_server import ImageServer
from tests.world import World, eventually


async def until_hypervisor(world: World, reason: str) -> dict[str, Any]:
    """Wait until the hypervisor's status gives a reason and return it."""
    status: dict[str, Any] = {}

    async def there() -> bool:
        nonlocal status
        status = await world.hypervisor_status()
        return status.get("reason") == reason

    await eventually(there)
    return status


@pytest.mark.usefixtures("hasty")
async def test_an_unreachable_hypervisor_is_shown_and_everything_recovers_on_its_return(
    world: World, control: Control
) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        running = await world.until_status("Running")
        control.unreachable(cut=True)
        await world.ask(Update.STOP)
        status = await world.until_status("Unknown")
        assert status["reason"] == "HypervisorUnreachable"
        assert status["vm"] == running["vm"]
        assert (await until_hypervisor(world, "HypervisorUnreachable"))["printableStatus"] == "NotReady"
        assert (await world.zone_status())["hypervisors"][world.name]["ready"] is False
        control.unreachable(cut=False)
        await world.until_status("Stopped")
        assert (await until_hypervisor(world, "Watching"))["printableStatus"] == "Ready"
        await world.delete()


@pytest.mark.usefixtures("hasty")
async def test_a_hypervisor_nobody_serves_is_shown_and_everything_goes_on_when_somebody_does(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
    await world.ask(Update.STOP)
    status = await world.until_status("Unknown")
    assert (status["reason"], status["message"]) == (
        "HypervisorNotServed",
        "no worker serves the hypervisor; start one, and the step goes on",
    )
    await until_hypervisor(world, "HypervisorNotServed")
    async with world.near():
        await world.until_status("Stopped")
        await until_hypervisor(world, "Watching")
        await world.delete()


async def test_a_worker_that_is_stopped_hands_its_step_and_its_watch_to_the_next(
    world: World, control: Control
) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.make_stubborn()
        await world.ask(Update.STOP)
        await world.until_status("Stopping")

        async def asked() -> bool:
            return bool(control.faults.firings())

        control.faults.inject(Fault(call="ensure_stopped.ask", kind=Kind.WITNESS))
        await eventually(asked)
    await world.make_stubborn(stubborn=False)
    async with world.near():
        assert (await world.until_status("Stopped"))["message"] == "the guest shut itself down"
        assert (await world.hypervisor_status())["reason"] == "Watching"
        await world.delete()


@pytest.mark.parametrize(
    ("blow", "strategy", "ends_as"),
    [
        ("power_off_from_inside", "Always", "Running"),
        ("panic", "Always", "Running"),
        ("kill_process", "Always", "Running"),
        ("power_off_from_inside", "RerunOnFailure", "Stopped"),
        ("panic", "RerunOnFailure", "Running"),
        ("kill_process", "RerunOnFailure", "Running"),
        ("power_off_from_inside", "Manual", "Stopped"),
        ("panic", "Manual", "Stopped"),
    ],
)
async def test_a_guest_that_ends_is_followed_by_its_run_strategy(
    world: World, control: Control, blow: str, strategy: str, ends_as: str
) -> None:
    async with world.near():
        await world.objects.apply(world.vm(strategy=strategy))
        if strategy == "Manual":
            await world.until_status("Stopped")
            await world.ask(Update.START)
        await world.until_status("Running")
        getattr(control, blow)(await world.uid())
        await world.until(lambda status: status["exits"] == 1)
        assert (await world.until_status(ends_as))["runStrategy"] == strategy
        await world.delete()


async def test_a_guests_own_reboot_is_no_exit(world: World, control: Control) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        before = await world.until_status("Running")
        control.reboot(await world.uid())
        await world.handle().signal(Signal.WAKE, "guest")
        after = await world.until_status("Running")
        assert (after["exits"], after["vm"]) == (0, before["vm"])
        await world.delete()


async def test_a_pause_is_shown_and_a_paused_guest_is_deleted_without_asking_it(world: World, control: Control) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        control.pause(await world.uid())
        assert (await world.until_status("Paused"))["reason"] == "Paused"
        await world.delete()
        await world.audit(driver)


async def test_a_domain_undefined_behind_our_back_is_built_again_around_its_disk(
    world: World, control: Control
) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        first = await world.until_status("Running")
        uid = await world.uid()
        control.write_disk(uid)
        disk = control.disk(uid)
        control.undefine_behind_our_back(uid)
        again = await world.until(lambda status: status["exits"] == 1 and status["printableStatus"] == "Running")
        assert again["vm"]["incarnation"] != first["vm"]["incarnation"]
        assert control.disk(uid) == disk
        await world.delete()


async def test_a_lost_root_disk_is_a_failure_and_no_empty_one_takes_its_place(world: World, control: Control) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm(strategy="Halted"))
        await world.until_status("Stopped")
        control.lose_disk(await world.uid())
        await world.ask(Update.START)
        status = await world.until(lambda status: status["reason"] == "RootDiskMissing")
        assert status["printableStatus"] == "Starting"
        await world.delete()
        await world.audit(driver)


async def test_guests_that_changed_while_nobody_watched_are_seen_on_return(world: World, control: Control) -> None:
    async with world.near():
        for name, strategy in (("always", "Always"), ("rerun", "RerunOnFailure")):
            await world.objects.apply(world.vm(name, strategy=strategy))
            await world.until_status("Running", name)
    for name in ("always", "rerun"):
        control.power_off_from_inside(await world.uid(name))
    async with world.near():
        await world.until(lambda status: status["exits"] == 1, "always")
        await world.until_status("Running", "always")
        await world.until_status("Stopped", "rerun")
        for name in ("always", "rerun"):
            await world.delete(name)


async def test_a_domain_nobody_looked_at_since_the_worker_started_still_belongs_to_its_vm(
    world: World, control: Control
) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
    async with world.near():
        await until_hypervisor(world, "Watching")
        listening = control.faults.inject(Fault(call="inventory", kind=Kind.WITNESS))

        async def swept() -> bool:
            return bool(control.faults.firings(listening))

        control.host_reboot()
        await eventually(swept)
        control.undefine_behind_our_back(await world.uid())
        await world.until(lambda status: status["exits"] >= 1 and status["printableStatus"] == "Running")
        await world.delete()


async def test_a_host_reboot_starts_what_is_wanted_on(world: World, control: Control) -> None:
    async with world.near():
        await world.objects.apply(world.vm("on"))
        await world.objects.apply(world.vm("off", strategy="Halted"))
        await world.until_status("Running", "on")
        await world.until_status("Stopped", "off")
        control.host_reboot()
        await world.until(lambda status: status["exits"] == 1 and status["printableStatus"] == "Running", "on")
        assert (await world.status("off"))["printableStatus"] == "Stopped"
        for name in ("on", "off"):
            await world.delete(name)


@pytest.mark.usefixtures("hasty")
async def test_a_hypervisor_declared_before_its_zone_joins_it_when_it_comes(world: World) -> None:
    later = {**world.hypervisor, "metadata": {"name": f"{world.name}-later"}}
    later["spec"] = {**later["spec"], "zone": f"{world.name}-zone"}
    zone = {**world.zone, "metadata": {"name": f"{world.name}-zone"}}
    kind = kind_called("hypervisors")
    await world.objects.apply(later)

    async def shown() -> bool:
        status: dict[str, Any] = (await world.objects.get(kind, later["metadata"]["name"])).get("status", {})
        return status.get("reason") == "ZoneNotDeclared"

    async def joined() -> bool:
        status = (await world.objects.get(kind_called("zones"), zone["metadata"]["name"])).get("status", {})
        return later["metadata"]["name"] in status.get("hypervisors", {})

    async with world.near(later["metadata"]["name"]):
        await eventually(shown)
        await world.objects.apply(zone)
        await eventually(joined)
        for document in (later, zone):
            await world.objects.delete(kind_called(document["kind"]), document["metadata"]["name"])
            handle = world.client.get_workflow_handle(f"{document['kind']}/{document['metadata']['name']}")
            await handle.result()


async def test_a_hypervisor_deleted_as_it_gets_ready_is_not_watched(
    client: Client, tmp_path: Path, image_server: ImageServer
) -> None:
    """The deletion and the end of the preparation reach the workflow at once: nobody worked for it meanwhile."""
    world = World(client, tmp_path / "host", image_server)
    control = world.control()
    rule = control.faults.inject(Fault(call="prepare", kind=Kind.HANG, times=None))
    hypervisor = client.get_workflow_handle(f"Hypervisor/{world.name}")

    async def preparing() -> bool:
        return bool(control.faults.firings(rule))

    async def prepared() -> bool:
        return not (await hypervisor.describe()).raw_description.pending_activities

    async with world.near():
        async with world.lifecycle():
            await world.declare()
            await eventually(preparing)
        control.faults.withdraw(rule)
        await eventually(prepared)
        await hypervisor.signal(Signal.DELETE)
        async with world.lifecycle():
            assert await hypervisor.result() == "deleted; its VMs stay as they are"
            history = await hypervisor.fetch_history()
            started = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
            assert "watch" not in started
            await world.end()
    control.close()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("served", [True, False])
async def test_deleting_a_hypervisor_ends_its_watch_and_leaves_its_zone(world: World, served: bool) -> None:  # noqa: FBT001 - a case
    async def gone() -> bool:
        return world.name not in (await world.zone_status())["hypervisors"]

    async def delete() -> None:
        await world.objects.delete(kind_called("hypervisors"), world.name)
        result = await world.client.get_workflow_handle(f"Hypervisor/{world.name}").result()
        assert result == "deleted; its VMs stay as they are"
        await eventually(gone)

    if served:
        async with world.near():
            await until_hypervisor(world, "Watching")
            await delete()
    else:
        await until_hypervisor(world, "HypervisorNotServed")
        await delete()
