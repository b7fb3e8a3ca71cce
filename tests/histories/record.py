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
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from domain.backoff import Backoff
from domain.channel import Endpoint
from domain.life import Wake
from domain.problem import Problem
from drivers.simulator.faults import Fault, Kind
from manifests.contract import LIFECYCLE_QUEUE, ChannelRequest, Signal, Update, WorkflowType
from manifests.registry import kind_called
from runtime.client import connect
from tests.disks import empty_qcow2
from tests.histories import FOLDER
from tests.image_server import ImageServer
from tests.manifests.examples import at
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
        await ordered(world, recorder)
        await edited(world, recorder)
        await crashed(world, recorder)
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
    """Stop, start, restart, a panic, a forced stop of a stubborn guest, a console, a channel, and deletion."""
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
    channel = f"Channel/{world.name}/operated"
    await world.client.execute_workflow(
        WorkflowType.CHANNEL,
        ChannelRequest(
            hypervisor=world.name,
            uid=await world.uid("operated"),
            endpoint=Endpoint.CONSOLE,
            ticket=sha256(b"nobody's").hexdigest(),
        ),
        id=channel,
        task_queue=LIFECYCLE_QUEUE,
    )
    await recorder.record(channel, "channel")
    await world.make_stubborn("operated")
    await world.ask(Update.STOP, "operated")
    await world.until_status("Stopping", "operated")
    await world.ask(Update.STOP, "operated", force=True)
    await world.until_status("Stopped", "operated")
    await ended(world, recorder, "operated")


async def ordered(world: World, recorder: Recorder) -> None:
    """Every live operation, one that is refused, and one that is dropped since its guest is to end."""
    await world.objects.apply(world.vm("ordered"))
    await world.until_status("Running", "ordered")
    await world.ask(Update.PAUSE, "ordered", by="ada")
    await world.until_status("Paused", "ordered")
    await refusal(world.ask(Update.RESET, "ordered"))
    await world.ask(Update.UNPAUSE, "ordered")
    await world.until_status("Running", "ordered")
    control = world.control()
    rule = control.faults.inject(Fault(call="ensure_rebooted", kind=Kind.HANG, times=None))
    for update in (Update.SOFT_REBOOT, Update.RESET, Update.RESET):
        await world.ask(update, "ordered")
    await world.handle("ordered").signal(Signal.WAKE, Wake.LOST)
    await world.ask(Update.RESTART, "ordered")
    control.faults.withdraw(rule)
    control.close()
    await world.until(lambda status: status["exits"] == 1 and status["printableStatus"] == "Running", "ordered")
    await world.handle("ordered").signal(Signal.WAKE, Wake.LOST)
    await world.until_status("Unknown", "ordered")
    await world.handle("ordered").signal(Signal.WAKE, Wake.GUEST)
    await world.until_status("Running", "ordered")
    for update in (Update.SOFT_REBOOT, Update.RESET):
        await world.ask(update, "ordered")
    await world.until(lambda status: status["reason"] == "GuestBooted", "ordered")
    await ended(world, recorder, "ordered")


async def edited(world: World, recorder: Recorder) -> None:
    """What is met at once, what waits for a restart, what waits for room, and what is refused."""
    manifest = at(world.vm("edited"), "spec.resources.maxMemory", "200Gi")
    await world.objects.apply(manifest)
    await world.until_status("Running", "edited")
    await world.replace(at(manifest, "spec.resources.memory", "1Gi"), by="ada")
    await world.until(lambda status: status["resources"]["memory"] == "1 GiB", "edited")
    await world.replace(at(manifest, "spec.cloudInit", "#cloud-config\n"))
    await world.until(lambda status: "RestartRequired" in conditions(status), "edited")
    await world.ask(Update.RESTART, "edited")
    await world.until(lambda status: "RestartRequired" not in conditions(status), "edited")
    await world.objects.apply(at(world.vm("large"), "spec.resources.memory", "150Gi"))
    await world.until_status("Running", "large")
    await world.replace(at(manifest, "spec.resources.memory", "150Gi"))
    await world.until(lambda status: "ResizePending" in conditions(status), "edited")
    await world.delete("large")
    await world.until(lambda status: status["resources"]["memory"] == "150 GiB", "edited")
    await refusal(world.replace(at(manifest, "spec.runStrategy", "Manual")))
    await ended(world, recorder, "edited")


async def crashed(world: World, recorder: Recorder) -> None:
    """A guest that panics at every boot, is left alone, started again, and stopped while it is left alone."""
    await world.objects.apply(world.vm("crashed"))
    control = world.control()
    for exits in range(4):
        await world.until(lambda status, exits=exits: status.get("exits") == exits, "crashed")  # type: ignore[misc]
        await world.until_status("Running", "crashed")
        control.panic(await world.uid("crashed"))
    control.close()
    await world.until_status("CrashLoopBackOff", "crashed")
    await world.ask(Update.STOP, "crashed")
    await world.until_status("Stopped", "crashed")
    await ended(world, recorder, "crashed")


async def refusal(asking: Awaitable[object]) -> None:
    """See that something is refused."""
    try:
        await asking
    except Problem:
        return
    raise AssertionError("it was accepted")


def conditions(status: dict[str, Any]) -> set[str]:
    """Return the types of a VM's conditions."""
    return {each["type"] for each in status["conditions"]}


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
            for update, word in ((Update.PAUSE, "Paused"), (Update.UNPAUSE, "Running"), (Update.RESET, "Running")):
                await world.ask(update, "continued")
                await world.until_status(word, "continued")
        await world.replace(at(world.vm("continued"), "spec.network", {"tcp": [80]}))
        await world.until(lambda status: status["reason"] == "GuestBooted", "continued")
        await ended(world, recorder, "continued")
        await recorder.record(f"Zone/{world.name}", "zone-continued")


@asynccontextmanager
async def recording(**dynamic_config: object) -> AsyncIterator[tuple[World, Recorder]]:
    """Give a world on a server of its own, served, and its recorder."""
    with tempfile.TemporaryDirectory(prefix="vmflow-histories-") as folder, ImageServer() as server:
        server.serve("/disk.qcow2", empty_qcow2())
        async with private_server(**dynamic_config) as settings:
            hasty = Backoff(first=1, factor=2, cap=4)
            world = World(await connect(settings), Path(folder, "host"), server, backoff=hasty)
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
