"""Edits of a VM: what is refused, what a running guest takes at once, what waits for room, what for a restart."""

from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.problem import Problem
from drivers.simulator.control import Control
from manifests.contract import Update
from tests.manifests.examples import Document, at
from tests.workflows.incidents import hanging, orders, struck, witnessed
from tests.world import World

MEMORY, CORES = "spec.resources.memory", "spec.resources.cpu.cores"
USER_DATA, DISK, TCP = "spec.cloudInit", "spec.storage.root.pvc.size", "spec.network.tcp"


def edited(world: World, *changes: tuple[str, Any]) -> Document:
    """Return the VM's manifest with other values."""
    document = growing(world)
    for field, value in changes:
        document = at(document, field, value)
    return document


def growing(world: World) -> Document:
    """Return a VM that may grow while it runs."""
    return at(at(world.vm(), "spec.resources.maxMemory", "200Gi"), "spec.resources.cpu.maxCores", "8")


def told(status: dict[str, Any]) -> set[str]:
    return {each["type"] for each in status["conditions"] if each["status"] == "True"}


async def running(world: World) -> str:
    """Declare a VM that may grow and return its first incarnation."""
    await world.objects.apply(growing(world))
    return str((await world.until_status("Running"))["vm"]["incarnation"])


async def refusal(world: World, manifest: Any) -> ApplicationError:
    """Send an edit as any Temporal client may, and return why it was refused."""
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await world.handle().execute_update(Update.REPLACE, {"manifest": manifest})
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def test_what_a_running_guest_can_take_is_changed_at_once(world: World, control: Control) -> None:
    async with world.near():
        first = await running(world)
        answer = await world.replace(
            edited(world, (MEMORY, "1Gi"), (CORES, "4"), (DISK, "8Gi"), (TCP, [443, 80])), by="ada"
        )
        assert answer.generation == 2
        wanted = {"cpus": 4, "memory": "1 GiB", "disk": "8 GiB"}
        status = await world.until(lambda now: now["resources"] == wanted and now["printableStatus"] == "Running")
        assert (status["vm"]["incarnation"], status["exits"], status["observedGeneration"]) == (first, 0, 2)
        assert not {"RestartRequired", "ResizePending"} & told(status)
        assert (status["lastOperation"]["operation"], status["lastOperation"]["by"]) == ("edit", "ada")
        assert control.disk(await world.uid())["size"] == 8 * 2**30
        shown = await world.get()
        assert (shown["spec"]["resources"]["memory"], shown["metadata"]["generation"]) == ("1Gi", 2)
        await world.delete()


async def test_what_takes_effect_at_a_power_on_only_says_so_until_then(world: World) -> None:
    async with world.near():
        first = await running(world)
        await world.replace(edited(world, (USER_DATA, "#cloud-config\n")))
        status = await world.until(lambda now: "RestartRequired" in told(now))
        assert (status["printableStatus"], status["vm"]["incarnation"]) == ("Running", first)
        await world.ask(Update.RESTART)
        status = await world.until(
            lambda now: now["printableStatus"] == "Running" and now["vm"]["incarnation"] not in {"", first}
        )
        assert "RestartRequired" not in told(status)
        await world.delete()


async def test_cpus_are_not_taken_away_from_a_guest_that_computes_on_them(world: World) -> None:
    async with world.near():
        await running(world)
        await world.replace(edited(world, (CORES, "4")))
        await world.until(lambda now: now["resources"]["cpus"] == 4)
        await world.replace(edited(world, (CORES, "2"), (MEMORY, "512Mi")))
        status = await world.until(lambda now: "RestartRequired" in told(now))
        assert status["resources"] == {"cpus": 4, "memory": "512 MiB", "disk": "4 GiB"}
        await world.ask(Update.STOP)
        assert "RestartRequired" not in told(await world.until_status("Stopped"))
        await world.ask(Update.START)
        status = await world.until_status("Running")
        assert (status["resources"]["cpus"], told(status)) == (2, {"DataImported", "Ready"})
        await world.delete()


async def test_an_edit_taken_back_leaves_no_trace(world: World) -> None:
    async with world.near():
        await running(world)
        await world.replace(edited(world, (USER_DATA, "#cloud-config\n")))
        await world.until(lambda now: "RestartRequired" in told(now))
        assert (await world.replace(growing(world))).generation == 3
        await world.until(lambda now: "RestartRequired" not in told(now) and now["observedGeneration"] == 3)
        await world.delete()


async def test_an_edit_of_a_stopped_vm_is_met_by_its_next_start(world: World, control: Control) -> None:
    async with world.near():
        await running(world)
        await world.ask(Update.STOP)
        await world.until_status("Stopped")
        await world.replace(edited(world, (MEMORY, "1Gi"), (DISK, "8Gi"), (USER_DATA, "#cloud-config\n")))
        status = await world.until(lambda now: now["observedGeneration"] == 2)
        assert not {"RestartRequired", "ResizePending"} & told(status)
        await world.ask(Update.START)
        status = await world.until_status("Running")
        assert status["resources"] == {"cpus": 1, "memory": "1 GiB", "disk": "8 GiB"}
        assert control.seed(await world.uid())["user_data"] == "#cloud-config\n"
        assert "RestartRequired" not in told(status)
        await world.delete()


async def test_more_than_there_is_room_for_waits_for_room_while_the_guest_goes_on(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(at(world.vm("big"), MEMORY, "200Gi"))
        await world.until_status("Running", "big")
        first = await running(world)
        await world.replace(edited(world, (MEMORY, "100Gi")))
        status = await world.until(lambda now: "ResizePending" in told(now))
        pending = next(each for each in status["conditions"] if each["type"] == "ResizePending")
        assert pending["reason"] == "NoRoom"
        assert "100 GiB wanted" in pending["message"]
        assert (status["printableStatus"], status["resources"]["memory"]) == ("Running", "256 MiB")
        await world.delete("big")
        status = await world.until(lambda now: now["resources"]["memory"] == "100 GiB")
        assert (status["vm"]["incarnation"], "ResizePending" in told(status)) == (first, False)
        await world.delete()
        await world.audit(driver)


async def test_a_wish_for_room_that_is_taken_back_is_not_waited_for(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(at(world.vm("big"), MEMORY, "200Gi"))
        await world.until_status("Running", "big")
        await running(world)
        await world.replace(edited(world, (MEMORY, "100Gi")))
        await world.until(lambda now: "ResizePending" in told(now))
        assert (await world.zone_status())["waiting"] == 1
        await world.replace(growing(world))
        await world.until(lambda now: "ResizePending" not in told(now) and now["reason"] == "GuestBooted")
        assert (await world.zone_status())["waiting"] == 0
        for name in ("vm", "big"):
            await world.delete(name)
        await world.audit(driver)


async def test_room_that_is_not_needed_any_more_is_given_back(world: World) -> None:
    async with world.near():
        await running(world)
        await world.replace(edited(world, (MEMORY, "200Gi")))
        await world.until(lambda now: now["resources"]["memory"] == "200 GiB")
        await world.objects.apply(at(world.vm("second"), MEMORY, "100Gi"))
        await world.until_status("FailedUnschedulable", "second")
        await world.replace(growing(world))
        await world.until_status("Running", "second")
        for name in ("vm", "second"):
            await world.delete(name)


@pytest.mark.parametrize(
    ("field", "value", "blamed"),
    [
        ("spec.runStrategy", "Manual", "spec.runStrategy"),
        ("spec.storage.root.source.http.url", "http://127.0.0.1/other.qcow2", "spec.storage.root.source"),
        (DISK, "1Gi", DISK),
        ("metadata.labels", {}, "metadata.labels"),
        (MEMORY, "a lot", MEMORY),
    ],
)
async def test_what_cannot_be_edited_is_refused_with_the_field_and_changes_nothing(
    world: World, field: str, value: object, blamed: str
) -> None:
    async with world.near():
        await running(world)
        before = await world.get()
        wrong = edited(world, (field, value))
        refused = await refusal(world, wrong)
        assert (refused.type, blamed in refused.message) == ("InvalidManifest", True)
        assert await world.get() == before
        await world.delete()


@pytest.mark.parametrize("manifest", [None, "text", [], {}, {"kind": "Zone"}])
async def test_what_is_no_manifest_of_this_vm_is_refused(world: World, manifest: Any) -> None:
    async with world.near():
        await running(world)
        assert (await refusal(world, manifest)).type == "InvalidManifest"
        assert (await world.status())["observedGeneration"] == 1
        await world.delete()


async def test_another_vms_manifest_is_refused(world: World) -> None:
    async with world.near():
        await running(world)
        assert "the workflow's id must be" in (await refusal(world, world.vm("other"))).message
        await world.delete()


async def test_an_edit_whose_id_is_known_is_answered_again_and_changes_nothing(world: World) -> None:
    async with world.near():
        await running(world)
        larger = edited(world, (MEMORY, "1Gi"))
        for _ in range(2):
            assert (await world.replace(larger, request="one")).generation == 2
        assert (await world.replace(growing(world), request="another")).generation == 3
        await world.replace(larger, request="one")
        await world.handle().execute_update(Update.REPLACE, {"manifest": larger, "request": "one"})
        await world.until(lambda status: status["observedGeneration"] == 3)
        assert (await world.get())["spec"]["resources"]["memory"] == "256Mi"
        await world.delete()


async def test_an_edit_of_a_vm_that_is_being_deleted_is_too_late_unless_it_was_accepted_before(
    world: World, control: Control
) -> None:
    async with world.near():
        await running(world)
        larger = edited(world, (MEMORY, "1Gi"))
        await world.replace(larger, request="one")
        async with hanging(control, "ensure_removed") as rule:
            await world.objects.delete(*world.key())
            await struck(control, rule)
            with pytest.raises(Problem, match="the edit is too late: the VM is being deleted") as caught:
                await world.replace(edited(world, (MEMORY, "2Gi")))
            assert caught.value.reason == "Conflict"
            assert (await world.replace(larger, request="one")).generation == 2
        await world.handle().result()


async def test_an_edit_that_changes_nothing_costs_nothing(world: World, control: Control) -> None:
    async with world.near():
        await running(world)
        calls = witnessed(control, "")
        assert (await world.replace(edited(world, (MEMORY, "256Mi")))).generation == 1
        await world.replace(at(growing(world), "metadata.annotations", {"note": "new"}))
        assert (await world.get())["metadata"]["annotations"] == {"note": "new"}
        assert (await world.status())["observedGeneration"] == 1
        assert orders(control, calls) == []
        await world.delete()
