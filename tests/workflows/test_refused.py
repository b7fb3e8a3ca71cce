"""What any Temporal client may start by mistake: shown with the field at fault, touching nothing, gone on delete."""

from collections.abc import Callable
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.hypervisor import Capacity
from domain.life import Wake
from domain.placement import Claim, Placement
from domain.run_strategy import Operation
from manifests.contract import LIFECYCLE_QUEUE, Join, PowerRequest, Signal, Update, WorkflowType
from manifests.registry import kind_called
from tests.world import World, eventually

Handle = WorkflowHandle[Any, Any]


async def start(world: World, kind: str, manifest: Any, name: str = "wrong") -> Handle:
    """Start an object's workflow as any client may: without the checks a front end makes."""
    row = kind_called(kind)
    path = f"{world.name}/{name}" if row.namespaced else f"{world.name}-{name}"
    arguments = [] if manifest is None else [manifest]
    return await world.client.start_workflow(row.workflow, args=arguments, id=f"{kind}/{path}", task_queue=row.queue)


async def refusal(handle: Handle) -> dict[str, Any]:
    """Return the object of a refused manifest."""
    shown: dict[str, Any] = {}

    async def published() -> bool:
        nonlocal shown
        shown = await (await handle.describe()).memo_value("object", default={})
        return bool(shown)

    await eventually(published)
    return shown


def image(world: World, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "vmflow.dev/v1alpha1",
        "kind": "Image",
        "metadata": {"name": name, "namespace": world.name},
        "spec": {"source": {"http": {"url": world.server.url}}},
    }


CASES: dict[str, Callable[[World], dict[str, Any]]] = {
    "VirtualServer": lambda world: {**world.vm("wrong"), "spec": {**world.vm()["spec"], "colour": "red"}},
    "Image": lambda world: {**image(world, "wrong"), "colour": "red"},
    "Hypervisor": lambda world: {**world.hypervisor, "metadata": {"name": f"{world.name}-wrong", "colour": "red"}},
    "Zone": lambda world: {**world.zone, "metadata": {"name": f"{world.name}-wrong", "colour": "red"}},
    "ConfigMap": lambda world: {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "wrong", "namespace": world.name},
        "colour": "red",
    },
    "Namespace": lambda world: {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": f"{world.name}-wrong", "colour": "red"},
    },
}


@pytest.mark.parametrize("kind", CASES)
async def test_an_unknown_field_is_named_until_somebody_deletes_the_object(world: World, kind: str) -> None:
    handle = await start(world, kind, CASES[kind](world))
    shown = await refusal(handle)
    found, *others = shown["status"]["conditions"]
    assert [(each["type"], each["status"]) for each in others] == (
        [("DataImported", "False"), ("Ready", "False"), ("Paused", "False")] if kind == "VirtualServer" else []
    )
    assert (found["type"], found["status"], found["reason"]) == ("Failure", "True", "InvalidManifest")
    assert found["message"].endswith("colour: unknown field")
    assert shown["metadata"]["uid"] == handle.first_execution_run_id
    await handle.signal(Signal.DELETE)
    assert await handle.result() == "deleted; its manifest was never accepted"


@pytest.mark.parametrize("kind", CASES)
async def test_an_object_that_says_another_kind_is_refused(world: World, kind: str) -> None:
    other = world.zone if kind != "Zone" else world.vm()
    handle = await start(world, kind, other)
    assert "is not lived by" in (await refusal(handle))["status"]["message"]
    await handle.signal(Signal.DELETE)
    await handle.result()


async def test_a_workflow_id_that_is_not_the_objects_is_refused(world: World) -> None:
    handle = await start(world, "VirtualServer", world.vm("vm"), name="other")
    shown = await refusal(handle)
    assert shown["status"]["message"].startswith(
        f"metadata.name: the workflow's id must be VirtualServer/{world.name}/vm; delete the object"
    )
    await handle.signal(Signal.DELETE)
    await handle.result()


@pytest.mark.parametrize(
    "manifest", [None, "a text", ["a", "list"], {}, {"metadata": "no object"}, {"metadata": {"name": 5}}]
)
async def test_what_is_no_manifest_at_all_is_listed_under_its_workflows_name(world: World, manifest: Any) -> None:
    handle = await start(world, "VirtualServer", manifest)
    await refusal(handle)
    assert (await world.get("wrong"))["metadata"]["namespace"] == world.name

    async def listed() -> bool:
        names = [each["metadata"]["name"] for each in await world.objects.list(kind_called("vs"), world.name)]
        return names == ["wrong"]

    await eventually(listed)
    await world.objects.delete(kind_called("vs"), "wrong", world.name)
    await handle.result()


async def test_a_refused_vm_refuses_operations_and_sleeps_through_wakes(world: World) -> None:
    handle = await start(world, "VirtualServer", {})
    await handle.signal(Signal.WAKE, Wake.GUEST)
    for operation in Operation:
        assert (await refused(handle, operation, PowerRequest())).type == "InvalidManifest"
    assert (await refused(handle, Update.REPLACE, {"manifest": world.vm("wrong")})).type == "InvalidManifest"
    await handle.signal(Signal.DELETE)
    assert await handle.result() == "deleted; its manifest was never accepted"


async def refused(handle: Handle, update: str, argument: Any) -> ApplicationError:
    """Return why an update is refused."""
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update(update, argument)
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


@pytest.mark.parametrize(
    "carried",
    [
        "a text",
        5,
        ["a", "list"],
        {},
        {"life": None, "conditions": []},
        {"life": {"uid": "one"}, "conditions": []},
        {"life": {}, "conditions": "none"},
    ],
)
async def test_a_vm_that_is_started_with_more_than_its_manifest_is_refused_and_not_wedged(
    world: World, carried: Any
) -> None:
    handle = await world.client.start_workflow(
        WorkflowType.VIRTUAL_MACHINE, args=[world.vm(), carried], id=world.handle().id, task_queue=LIFECYCLE_QUEUE
    )
    shown = await refusal(handle)
    assert shown["status"]["message"].startswith("a VirtualMachine is started with its manifest alone")
    assert (await refused(handle, Update.START, PowerRequest())).type == "InvalidManifest"
    await handle.signal(Signal.DELETE)
    assert await handle.result() == "deleted; its manifest was never accepted"
    assert (await world.zone_status())["placed"] == 0


async def test_a_refused_zone_takes_no_claims(world: World) -> None:
    handle = await start(world, "Zone", {})
    await handle.signal(Signal.JOIN, Join(name=world.name, cpus=1, memory=1))
    claim = Claim(uid="uid", vm="vm", size=Capacity(cpus=1, memory=1))
    answer = await handle.execute_update(Update.CLAIM, claim, result_type=Placement)
    assert (answer.hypervisor, answer.waiting) == ("", False)
    assert "apiVersion" in answer.message or "kind" in answer.message
    await handle.signal(Signal.DELETE)
    await handle.result()
