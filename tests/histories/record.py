"""Record the golden histories: whole lives on real Temporal and the simulator, one JSON file per run of a workflow.

    python -m tests.histories.record

Record anew when a workflow changes in a way that running lives need not survive; otherwise the replay of what is here
proves that they do. The files are what `temporal workflow show --output json` prints, without anything of the machine
they were recorded on.
"""

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from manifests.contract import LIFECYCLE_QUEUE, Signal, Update, WorkflowType
from manifests.registry import kind_called
from runtime.client import connect
from tests.disks import empty_qcow2
from tests.histories import FOLDER
from tests.image_server import ImageServer
from tests.temporal_server import private_server
from tests.world import World, eventually

DIRECTORY = "/var/lib/vmflow"
"""What recorded histories say instead of the folder the simulator really used."""


class Recorder:
    """Writes histories, cleaned of what belongs to this machine."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def record(self, object_id: str, name: str) -> None:
        """Write every run of an object's life: `<name>.json`, `<name>-2.json` and so on."""
        runs = [run async for run in self._world.client.list_workflows(f"WorkflowId = '{object_id}'")]
        for number, run in enumerate(sorted(runs, key=lambda run: run.start_time), start=1):
            handle = self._world.client.get_workflow_handle(object_id, run_id=run.run_id)
            path = FOLDER / (f"{name}.json" if number == 1 else f"{name}-{number}.json")
            path.write_text(self._cleaned(await handle.fetch_history()))

    def _cleaned(self, history: WorkflowHistory) -> str:
        return json.dumps(self._clean(history.to_json_dict()), indent=1, sort_keys=True) + "\n"

    def _clean(self, part: Any) -> Any:
        match part:
            case {"kind": "TASK_QUEUE_KIND_STICKY"}:
                return {**part, "name": "sticky"}
            case dict():
                return {key: self._clean_field(key, value) for key, value in part.items()}
            case list():
                return [self._clean(each) for each in part]
            case str():
                return part.replace(str(self._world.directory), DIRECTORY)
            case _:
                return part

    def _clean_field(self, key: str, value: Any) -> Any:
        if key == "stackTrace":
            return ""
        if key == "identity":
            return "recorder"
        if key == "data" and isinstance(value, str):
            return base64.b64encode(self._clean(base64.b64decode(value).decode()).encode()).decode()
        return self._clean(value)


async def lives(world: World, recorder: Recorder) -> None:
    """Live the lives whose histories are kept."""
    async with world.near():
        await world.objects.apply(world.vm("imports"))
        await world.until_status("Running", "imports")
        await ended(world, recorder, "imports")
        await world.objects.apply(world.vm("cached"))
        await world.until_status("Running", "cached")
        await recorder.record(world.handle("cached").id, "vm-cached")
        await world.objects.apply(world.vm("halted", strategy="Halted"))
        await world.until_status("Stopped", "halted")
        await ended(world, recorder, "halted")
        await operated(world, recorder)
        await failed(world, recorder)
        await refused(world, recorder)
        await declared(world, recorder)
        await world.delete("cached")
        await image_deleted(world, recorder)
        await fleet_deleted(world, recorder)


async def ended(world: World, recorder: Recorder, name: str) -> None:
    await world.delete(name)
    await recorder.record(world.handle(name).id, f"vm-{name}")


async def operated(world: World, recorder: Recorder) -> None:
    """Stop, start, restart, a panic, a forced stop of a stubborn guest, a console, and deletion."""
    await world.objects.apply(world.vm("operated"))
    await world.until_status("Running", "operated")
    for update, status in ((Update.STOP, "Stopped"), (Update.START, "Running")):
        await world.ask(update, "operated")
        await world.until_status(status, "operated")
    await world.ask(Update.RESTART, "operated")
    await world.until(lambda status: status["exits"] == 2 and status["printableStatus"] == "Running", "operated")
    control = world.control()
    control.panic(await world.uid("operated"))
    control.close()
    await world.until(lambda status: status["exits"] == 3 and status["printableStatus"] == "Running", "operated")
    console = f"Console/{world.name}/operated"
    await world.client.execute_workflow(
        WorkflowType.CONSOLE,
        {"hypervisor": world.name, "uid": await world.uid("operated")},
        id=console,
        task_queue=LIFECYCLE_QUEUE,
    )
    await recorder.record(console, "console")
    await world.make_stubborn("operated")
    await world.ask(Update.STOP, "operated")
    await world.until_status("Stopping", "operated")
    await world.ask(Update.STOP, "operated", force=True)
    await world.until_status("Stopped", "operated")
    await ended(world, recorder, "operated")


async def failed(world: World, recorder: Recorder) -> None:
    """An image that is not there, and its own life."""
    await world.objects.apply(world.vm("failed", image="/missing.qcow2"))
    await world.until(lambda status: status.get("reason") == "ImageNotFound", "failed")
    (image,) = [each for each in await world.images() if each["status"]["printableStatus"] == "Failed"]
    await ended(world, recorder, "failed")
    handle = world.client.get_workflow_handle(f"Image/{world.name}/{image['metadata']['name']}")
    await handle.result()
    await recorder.record(handle.id, "image-failed")


async def refused(world: World, recorder: Recorder) -> None:
    """A manifest no workflow can live."""
    handle = await world.client.start_workflow(
        WorkflowType.VIRTUAL_MACHINE,
        {**world.vm("refused"), "colour": "red"},
        id=world.handle("refused").id,
        task_queue=LIFECYCLE_QUEUE,
        start_signal=Signal.WAKE,
        start_signal_args=["guest"],
    )
    await eventually(lambda: published(world, "refused"))
    await handle.signal(Signal.DELETE)
    await handle.result()
    await recorder.record(handle.id, "vm-refused")


async def declared(world: World, recorder: Recorder) -> None:
    """A namespace and a config map in it: declared, edited, and deleted together."""
    name = f"{world.name}-declared"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    labelled = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"app": "web"}}}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "declared", "namespace": name},
        "data": {"colour": "red"},
    }
    for manifest in (namespace, config_map, {**config_map, "data": {"colour": "blue"}}, labelled):
        await world.objects.apply(manifest)
    await world.objects.delete(kind_called("ns"), name)
    await world.client.get_workflow_handle(f"Namespace/{name}").result()
    await recorder.record(f"ConfigMap/{name}/declared", "declaration")
    await recorder.record(f"Namespace/{name}", "namespace")


async def published(world: World, name: str) -> bool:
    return bool(await world.status(name))


async def image_deleted(world: World, recorder: Recorder) -> None:
    (image,) = await world.images()
    handle = world.client.get_workflow_handle(f"Image/{world.name}/{image['metadata']['name']}")
    await world.objects.delete(kind_called("images"), image["metadata"]["name"], world.name)
    await handle.result()
    await recorder.record(handle.id, "image")


async def fleet_deleted(world: World, recorder: Recorder) -> None:
    for kind in ("Hypervisor", "Zone"):
        await world.objects.delete(kind_called(kind), world.name)
        handle = world.client.get_workflow_handle(f"{kind}/{world.name}")
        await handle.result()
        await recorder.record(handle.id, kind.lower())


async def long_lives(world: World, recorder: Recorder) -> None:
    """Lives whose history starts anew."""
    async with world.near():
        await world.objects.apply(world.vm("continued"))
        await world.until_status("Running", "continued")
        for _ in range(2):
            await world.ask(Update.STOP, "continued")
            await world.until_status("Stopped", "continued")
            await world.ask(Update.START, "continued")
            await world.until_status("Running", "continued")
        await ended(world, recorder, "continued")
        await recorder.record(f"Zone/{world.name}", "zone-continued")


@asynccontextmanager
async def recording(**dynamic_config: object) -> AsyncIterator[tuple[World, Recorder]]:
    """Give a world on a server of its own, served, and its recorder."""
    with tempfile.TemporaryDirectory(prefix="vmflow-histories-") as folder, ImageServer() as server:
        server.serve("/disk.qcow2", empty_qcow2())
        async with private_server(**dynamic_config) as settings:
            world = World(await connect(settings), Path(folder, "host"), server)
            async with world.lifecycle():
                await world.declare()
                yield world, Recorder(world)
                await world.end()


async def main() -> None:
    """Replace every history."""
    for old in FOLDER.glob("*.json"):
        old.unlink()
    async with recording() as (world, recorder):
        await lives(world, recorder)
    async with recording(limit__historyCount__suggestContinueAsNew=30) as (world, recorder):
        await long_lives(world, recorder)
    print(f"recorded {len(list(FOLDER.glob('*.json')))} histories")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    asyncio.run(main())
