"""An image's life: imported once, retried while that may help, gone when nobody got it and nobody wants it."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import RetryPolicy

from domain.image import ImageSource
from drivers.simulator.control import Control
from manifests.contract import Signal, Want, WorkflowType
from manifests.image import image_for
from manifests.registry import id_of, kind_called
from tests.disks import empty_qcow2
from tests.world import World, eventually
from workflows import options

URL = "spec.storage.root.source.http.url"


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(each for each in status["conditions"] if each["type"] == kind)


def image_id(world: World, path: str = "/disk.qcow2") -> str:
    return id_of(image_for(world.name, ImageSource(url=world.server.url + path)))


async def failure(world: World, name: str = "vm") -> dict[str, Any]:
    """Return a VM's Failure condition as soon as it is true."""
    status = await world.until(
        lambda status: "conditions" in status and condition(status, "Failure")["status"] == "True",
        name,
    )
    return condition(status, "Failure")


async def importing(world: World, name: str = "vm") -> None:
    """Wait until the image server sends, and the VM says that it waits for it."""
    await world.until(lambda status: status.get("reason") == "Importing", name)

    async def sending() -> bool:
        return world.server.bytes_served > 0

    await eventually(sending)


@pytest.mark.usefixtures("hasty")
async def test_an_unreachable_image_is_named_by_its_field_and_tried_again_until_it_comes(world: World) -> None:
    world.server.resource("/disk.qcow2").status = 503
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        found = await failure(world)
        assert found["reason"] == "ImageUnreachable"
        assert found["message"].startswith(f"{URL}: the server answers {world.server.url}/disk.qcow2 with status 503")
        world.server.resource("/disk.qcow2").status = 0
        await world.until_status("Running")
        await world.delete()
        await world.audit(driver)


@pytest.mark.usefixtures("hasty")
async def test_a_truncated_image_is_never_published_and_goes_on_where_it_broke_off(world: World) -> None:
    resource = world.server.resource("/disk.qcow2")
    resource.truncate_after = 1000
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        assert (await failure(world))["reason"] == "ImageTruncated"
        assert not list(driver.images.glob("*.qcow2"))
        resource.truncate_after = None
        await world.until_status("Running")
        await world.delete()
        await world.audit(driver)


@pytest.mark.parametrize(
    ("path", "body", "http", "reason"),
    [
        ("/missing.qcow2", None, {}, "ImageNotFound"),
        ("/disk.qcow2", None, {"checksum": f"sha256:{'0' * 64}"}, "ChecksumMismatch"),
        ("/corrupt.qcow2", empty_qcow2()[:50000], {}, "ImageCorrupt"),
        ("/unknown.img", b"no disk at all" * 100, {}, "ImageFormatRefused"),
        ("/raw.qcow2", bytes(510) + b"\x55\xaa" + bytes(512), {}, "ImageFormatMismatch"),
    ],
    ids=["missing", "wrong-checksum", "corrupt", "unknown", "mismatch"],
)
async def test_an_image_that_will_never_do_fails_for_good_and_goes_with_its_vm(
    world: World, path: str, body: bytes | None, http: dict[str, str], reason: str
) -> None:
    if body is not None:
        world.server.serve(path, body)
    async with world.near() as driver:
        await world.objects.apply(world.vm(image=path, **http))
        assert (await failure(world))["reason"] == reason
        status = await world.status()
        assert (status["printableStatus"], status["vm"]["power"]) == ("Provisioning", "Absent")
        assert [image["status"]["printableStatus"] for image in await world.images()] == ["Failed"]
        assert not list(driver.images.glob("*.qcow2"))
        await world.delete()
        await world.audit(driver)
        assert world.server.requests == 1


async def test_a_wrong_checksum_does_not_poison_the_cache_for_others(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm("wrong", checksum=f"sha256:{'0' * 64}"))
        assert (await failure(world, "wrong"))["message"].startswith("spec.storage.root.source.http.checksum: ")
        await world.objects.apply(world.vm("right"))
        await world.until_status("Running", "right")
        await world.delete("wrong")
        await world.delete("right")


async def test_deleting_the_vm_during_the_import_ends_it_and_removes_the_partial_file(world: World) -> None:
    world.server.resource("/disk.qcow2").stall_after = 1000
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await importing(world)
        await world.delete()
        await world.audit(driver)
        description = await world.client.get_workflow_handle(image_id(world)).describe()
        assert description.status is WorkflowExecutionStatus.COMPLETED


async def test_of_two_vms_that_wait_one_may_go_without_ending_the_import(world: World) -> None:
    resource = world.server.resource("/disk.qcow2")
    resource.stall_after = 1000
    async with world.near() as driver:
        for name in ("first", "second"):
            await world.objects.apply(world.vm(name))
            await importing(world, name)
        await world.delete("first")
        assert [image["status"]["printableStatus"] for image in await world.images()] == ["Importing"]
        assert world.server.requests == 1
        await world.delete("second")
        await world.audit(driver)


@pytest.mark.usefixtures("hasty")
async def test_an_image_lost_from_the_cache_is_imported_again(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm("first"))
        await world.until_status("Running", "first")
        for file in driver.images.iterdir():
            file.unlink()
        await world.objects.apply(world.vm("second"))
        await world.until_status("Running", "second")
        assert world.server.requests == 2
        for name in ("first", "second"):
            await world.delete(name)
        await world.audit(driver)


async def test_an_image_deleted_by_a_person_is_gone_with_its_copy_and_comes_back_when_wanted(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.delete()
        (image,) = await world.images()
        await world.objects.delete(kind_called("images"), image["metadata"]["name"], world.name)
        await world.client.get_workflow_handle(image_id(world)).result()
        assert not list(driver.images.glob("*.qcow2"))
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        assert world.server.requests == 2
        await world.delete()


async def test_deleting_a_failed_image_lets_the_vm_that_waits_import_it_anew(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm(image="/later.qcow2"))
        assert (await failure(world))["reason"] == "ImageNotFound"
        world.server.serve("/later.qcow2", empty_qcow2())
        (image,) = await world.images()
        await world.objects.delete(kind_called("images"), image["metadata"]["name"], world.name)
        await world.until_status("Running")
        await world.delete()


@pytest.mark.usefixtures("hasty")
async def test_an_image_whose_removal_fails_says_why_and_goes_in_the_end(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.delete()
        (image,) = await world.images()
    await world.objects.delete(kind_called("images"), image["metadata"]["name"], world.name)

    async def says_why() -> bool:
        (image,) = await world.images()
        copy = image["status"]["copies"][world.name]
        return (image["status"]["printableStatus"], copy["reason"]) == ("Terminating", "HypervisorNotServed")

    await eventually(says_why)
    async with world.near() as driver:
        await world.client.get_workflow_handle(image_id(world)).result()
        assert not list(driver.images.glob("*.qcow2"))


async def test_a_wish_that_comes_after_the_failure_is_answered(world: World) -> None:
    """A VM may look while the import runs, and its wish may reach the image when that has failed."""
    async with world.near():
        await world.objects.apply(world.vm("first", image="/missing.qcow2"))
        await failure(world, "first")
        woken = await world.client.start_workflow(
            WorkflowType.ZONE,
            {},
            id=f"Zone/{world.name}/late",
            task_queue="nobody",
        )
        image = world.client.get_workflow_handle(image_id(world, "/missing.qcow2"))
        await image.signal(Signal.WANT, Want(hypervisor=world.name, vm=woken.id))

        async def told() -> bool:
            signals = [event async for event in woken.fetch_history_events() if event.event_type == 26]
            return bool(signals)

        await eventually(told)
        await world.delete("first")


async def test_waking_a_failed_image_tries_it_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "A_FEW_TIMES", RetryPolicy(maximum_attempts=1))
    monkeypatch.setattr(options, "FIRST_RETRY", timedelta(hours=1))
    world.server.resource("/disk.qcow2").status = 503
    async with world.near():
        await world.objects.apply(world.vm())
        await failure(world)
        world.server.resource("/disk.qcow2").status = 0
        await world.client.get_workflow_handle(image_id(world)).signal(Signal.WAKE)
        await world.until_status("Running")
        await world.delete()


@pytest.mark.usefixtures("hasty")
async def test_a_waiting_vm_that_vanished_does_not_keep_the_others_from_being_served(
    world: World, control: Control
) -> None:
    world.server.resource("/disk.qcow2").status = 503
    async with world.near() as driver:
        for name in ("vanishing", "staying"):
            await world.objects.apply(world.vm(name))
            await failure(world, name)
        await world.handle("vanishing").terminate("somebody ended it without asking")
        requests = world.server.requests

        async def tried_again() -> bool:
            return world.server.requests > requests + 2

        await eventually(tried_again)
        world.server.resource("/disk.qcow2").status = 0
        await world.until_status("Running", "staying")
        await world.delete("staying")
        assert driver.inventory() == []
