"""Long lives: history starts anew now and then, and nobody notices. The server asks for it far earlier than usual."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client

from domain.problem import Problem, Verdict
from drivers.simulator.control import Control
from manifests.base import InvalidManifestError
from manifests.contract import PowerRequest, Signal, Update, Want
from manifests.registry import kind_called
from manifests.virtual_server import VirtualServer
from runtime.client import connect
from tests.manifests.examples import at
from tests.temporal_server import private_server
from tests.workflows.incidents import times, witnessed
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


async def identity(world: World) -> dict[str, Any]:
    """Return a VM's metadata without its version, which is another with every change."""
    metadata = (await world.get())["metadata"]
    return {name: value for name, value in metadata.items() if name != "resourceVersion"}


async def test_a_vm_lives_on_with_its_identity_its_conditions_and_its_requests(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm(strategy="Manual"))
        await world.until_status("Stopped")
        born = await identity(world)
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
        assert await identity(world) == born
        assert (await world.status())["conditions"][0] == imported
        assert (await world.zone_status())["placed"] == 1
        await world.delete()
        await world.audit(driver)


async def test_no_power_operation_is_lost_while_history_starts_anew(world: World) -> None:
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


RESETS, EDITS, PAUSES = 15, 15, 6
"""How many requests of each kind a stream has."""


async def test_no_request_of_a_stream_is_lost_or_met_twice_while_history_starts_anew(
    world: World, control: Control
) -> None:
    """Four clients ask at once, each as fast as it is answered: for resets, for edits, for pauses, and for looks."""
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        first = (await world.until_status("Running"))["vm"]["incarnation"]
        effects = {
            "ensure_rebooted.reboot": RESETS,
            "ensure_paused.pause": PAUSES,
            "ensure_resumed.resume": PAUSES,
            "ensure_fitted.ports": EDITS,
        }
        rules = {call: witnessed(control, call) for call in effects}
        async with asyncio.TaskGroup() as clients:
            asked = [clients.create_task(client(world)) for client in (_resets, _edits, _pauses)]
            clients.create_task(_looks(world, asked))
        assert await runs(world, world.handle().id) > 5
        assert await _failures(world) <= {"WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND"}

        async def met() -> bool:
            status = await world.status()
            at_rest = (status["printableStatus"], status["reason"]) == ("Running", "GuestBooted")
            return at_rest and status["observedGeneration"] == 1 + EDITS

        await eventually(met)
        found = {call: times(control, rule) for call, rule in rules.items()}
        fitted = found.pop("ensure_fitted.ports")
        assert found == {call: number for call, number in effects.items() if call in found}
        assert 1 <= fitted <= EDITS  # several edits may be met by one step
        document = await world.get()
        assert document["spec"]["network"]["tcp"] == [1000 + EDITS - 1]
        assert (document["status"]["vm"]["incarnation"], document["status"]["exits"]) == (first, 0)
        await _are_known(world, [request for each in asked for request in each.result()])
        await world.delete()
        await world.audit(driver)


async def _failures(world: World) -> set[str]:
    """Return why workflow tasks of a VM failed. That something came while it continued as new is no fault."""
    causes = set()
    async for run in world.client.list_workflows(f"WorkflowId = '{world.handle().id}'"):
        history = world.client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history_events()
        async for event in history:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                cause = event.workflow_task_failed_event_attributes.cause
                causes.add(WorkflowTaskFailedCause.Name(cause))
    return causes


async def _resets(world: World) -> list[str]:
    requests = [f"reset-{number}" for number in range(RESETS)]
    for request in requests:
        await _accepted(lambda request=request: world.ask(Update.RESET, request=request))  # type: ignore[misc]
    return requests


async def _edits(world: World) -> list[str]:
    requests = [f"edit-{number}" for number in range(EDITS)]
    for number, request in enumerate(requests):
        manifest = at(world.vm(), "spec.network", {"tcp": [1000 + number]})
        await _accepted(lambda manifest=manifest, request=request: world.replace(manifest, request=request))  # type: ignore[misc]
    return requests


async def _pauses(world: World) -> list[str]:
    requests: list[str] = []
    for number in range(PAUSES):
        for update in (Update.PAUSE, Update.UNPAUSE):
            requests.append(f"{update}-{number}")
            await _accepted(lambda update=update: world.ask(update, request=requests[-1]))  # type: ignore[misc]
    return requests


async def _looks(world: World, others: list[asyncio.Task[list[str]]]) -> None:
    while not all(each.done() for each in others):
        await world.handle().signal(Signal.WAKE, "guest")
        await asyncio.wait(others, timeout=0.2)


async def _accepted(ask: Callable[[], Awaitable[object]]) -> None:
    """Ask until it is accepted, always with the same id.

    What is refused now, since others asked for something else, is possible later; and who got no answer asks again.
    """

    async def possible() -> bool:
        try:
            await ask()
        except Problem as problem:
            if problem.reason != "Conflict" and problem.verdict is not Verdict.RETRY:
                raise
            return False
        return True

    await eventually(possible)


async def _are_known(world: World, requests: list[str]) -> None:
    """Check that a VM remembers requests: what the strategy does not allow is refused unless it was accepted before."""
    with pytest.raises(Problem, match="start does not apply"):
        await world.ask(Update.START, request="never asked")
    before = await world.status()
    for request in requests:
        await world.handle().execute_update(Update.START, PowerRequest(request=request))
    assert await world.status() == before


async def test_a_deletion_in_a_later_run_leaves_nothing(world: World) -> None:
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        for _ in range(SUGGESTED_AFTER // 3):
            await world.handle().signal(Signal.WAKE, "guest")
        await world.delete()
        await world.audit(driver)


async def test_what_a_version_cannot_read_waits_for_one_that_can(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never taken for an object that was refused from the beginning: deleting that one gives nothing back."""
    async with world.near() as driver:
        await world.objects.apply(world.vm())
        running = await world.until_status("Running")

        async def went_on() -> bool:
            await world.handle().signal(Signal.WAKE, "guest")
            return await runs(world, world.handle().id) > 1

        await eventually(went_on)

        def stricter(_manifest: VirtualServer) -> None:
            raise InvalidManifestError([("spec", "this version has stricter rules")])

        monkeypatch.setattr(VirtualServer, "check_at_rest", stricter)
        for _ in range(SUGGESTED_AFTER):
            await world.handle().signal(Signal.WAKE, "guest")

        async def stands() -> bool:
            """Tell whether its decisions fail for that; of several in a row, the history has the first one only."""
            task = (await world.handle().describe()).raw_description.pending_workflow_task
            history = await world.handle().fetch_history()
            failed = [event.workflow_task_failed_event_attributes.failure.message for event in history.events]
            return task.attempt > 3 or any("cannot read what it goes on from" in each for each in failed)

        await eventually(stands)
        await world.objects.delete(*world.key())
        assert (await world.status())["vm"] == running["vm"], "it is shown as it was"
        assert [seen.uid for seen in driver.inventory()] != []
        monkeypatch.undo()
        await world.handle().result()
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

        async def settled() -> bool:
            return bool((await world.zone_status())["placed"] == 1)

        await eventually(settled)
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
