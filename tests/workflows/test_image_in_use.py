"""An image whose clones run must outlive them: a root disk without its backing file is lost data."""

from manifests.registry import kind_called
from tests.world import World, eventually


async def test_a_deleted_image_stays_until_no_root_disk_leans_on_it(world: World) -> None:
    images = kind_called("images")
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        (image,) = await world.objects.list(images, world.name)
        name = image["metadata"]["name"]
        await world.objects.delete(images, name, world.name)

        async def refused() -> bool:
            status = (await world.objects.get(images, name, world.name))["status"]
            return bool(status["copies"][world.name]["reason"] == "ImageInUse")

        await eventually(refused)
        assert len(list(driver.images.glob("*.qcow2"))) == 1
        await world.delete()

        async def gone() -> bool:
            return not await world.objects.list(images, world.name)

        await eventually(gone)
        assert list(driver.images.iterdir()) == []


async def test_cancelling_the_workflow_deletes_the_vm(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.handle().cancel()
        assert await world.handle().result() == "deleted; nothing is left"
        await world.audit(driver)
