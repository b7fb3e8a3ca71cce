"""What people ask of a VM through its subresources, and the story that is told of it."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.api.talking import Json, Talker, machine, machines
from tests.disks import empty_qcow2
from tests.image_server import ImageServer
from tests.world import World

OPERATIONS = ["start", "stop", "restart", "pause", "unpause", "softreboot", "reset"]


@pytest.fixture
async def world(client: Client, tmp_path: Path, admin: Talker) -> AsyncIterator[World]:
    """A world with a VM called vm whose guest runs."""
    with ImageServer() as server:
        server.serve("/disk.qcow2", empty_qcow2())
        world = World(client, tmp_path / "host", server)
        await world.declare()
        await admin.create("/api/v1/namespaces", {"metadata": {"name": world.name}})
        async with world.near():
            await admin.create(machines(world.name), world.vm())
            await world.until_status("Running")
            yield world
        await world.end()


async def ask(talker: Talker, world: World, operation: str, method: str = "PUT", **options: object) -> int:
    answer = await talker.http.request(method, machines(world.name, "vm", operation), json=options)
    return answer.status_code


async def last(world: World) -> Json:
    status: Json = (await world.status())["lastOperation"]
    return status


async def test_a_vm_is_operated_as_virtctl_does_it(admin: Talker, world: World) -> None:
    for operation, word in (("pause", "Paused"), ("unpause", "Running"), ("stop", "Stopped"), ("start", "Running")):
        assert await ask(admin, world, operation) == 202
        await world.until_status(word)
        assert (await last(world))["operation"] == operation


async def test_the_answer_tells_the_run_strategy_from_now_on(admin: Talker, world: World) -> None:
    for operation, strategy in (("stop", "Halted"), ("start", "Always")):
        answer = await admin.http.put(machines(world.name, "vm", operation))
        (cause,) = answer.json()["details"]["causes"]
        assert (cause["field"], cause["message"]) == ("status.runStrategy", strategy)
    for how in ({"params": {"dryRun": "All"}}, {"json": {"dryRun": ["All"]}}):
        tried = await admin.http.put(machines(world.name, "vm", "stop"), **how)
        assert (tried.status_code, "causes" in tried.json()["details"]) == (202, False)
        refused = await admin.http.put(machines(world.name, "vm", "start"), **how)
        assert (refused.status_code, refused.json()["reason"]) == (409, "Conflict")
        live = await admin.http.put(machines(world.name, "vm", "pause"), **how)
        assert live.status_code == 202
    assert (await world.status())["runStrategy"] == "Always"


async def test_who_asked_is_written_down(admin: Talker, world: World) -> None:
    name = (await admin.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}))["status"]["userInfo"][
        "username"
    ]
    assert await ask(admin, world, "stop", "POST", by="somebody else") == 400
    assert await ask(admin, world, "stop", "POST") == 202
    assert (await last(world))["by"] == name


async def test_an_operation_that_does_not_apply_is_a_conflict(admin: Talker, world: World) -> None:
    status = await admin.refusal("PUT", machines(world.name, "vm", "unpause"), 409, json={})
    assert status["reason"] == "Conflict"
    status = await admin.refusal("PUT", machines(world.name, "vm", "start"), 409, json={})
    assert "possible now: stop, restart" in status["message"]


async def test_the_same_request_twice_is_one(admin: Talker, world: World) -> None:
    request = uuid.uuid4().hex
    assert await ask(admin, world, "stop", request=request) == 202
    assert await ask(admin, world, "stop", request=request) == 202
    await world.until_status("Stopped")


async def test_no_grace_is_force(admin: Talker, world: World) -> None:
    await world.make_stubborn()
    assert await ask(admin, world, "stop", gracePeriod=0) == 202
    await world.until_status("Stopped")


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_operation_on_nothing_is_not_found(admin: Talker, namespace: str, operation: str) -> None:
    await admin.refusal("PUT", machines(namespace, "nope", operation), 404, json={})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"force": "yes"}', 400),
        ('{"colour": 1}', 400),
        ("[]", 400),
        ('{"request": 7}', 400),
        ("{", 400),
        ('{"gracePeriod": []}', 400),
        ('{"gracePeriod": false}', 400),
        ('{"gracePeriodSeconds": -1}', 400),
        ('{"dryRun": "All"}', 422),
    ],
)
async def test_options_that_are_none_are_refused(admin: Talker, namespace: str, body: str, code: int) -> None:
    await admin.create(machines(namespace), machine())
    headers = {"Content-Type": "application/json"}
    await admin.refusal("PUT", machines(namespace, "web", "stop"), code, content=body, headers=headers)


async def test_the_console_is_read(admin: Talker, world: World) -> None:
    answer = await admin.http.get(machines(world.name, "vm", "log"))
    assert answer.status_code == 200, answer.text
    assert "Linux version" in answer.text
    tail = await admin.http.get(machines(world.name, "vm", "log"), params={"tailLines": 1})
    assert len(tail.text.splitlines()) == 1
    await admin.refusal("GET", machines(world.name, "vm", "log"), 422, params={"limitBytes": 10**9 - 1})


async def test_a_vm_that_is_nowhere_has_no_console(admin: Talker, namespace: str) -> None:
    await admin.create(machines(namespace), machine())
    assert "console" in (await admin.refusal("GET", machines(namespace, "web", "log"), 409))["message"]


@pytest.mark.parametrize("part", ["console", "vnc", "portforward/22"])
async def test_a_stream_wants_a_websocket(admin: Talker, world: World, part: str) -> None:
    await admin.refusal("GET", machines(world.name, "vm", part), 400)


@pytest.mark.parametrize("path", ["/api/v1", "/apis/events.k8s.io/v1"])
async def test_a_vms_story_is_told_as_events(admin: Talker, world: World, path: str) -> None:
    about = "involvedObject" if path == "/api/v1" else "regarding"
    events = f"{path}/namespaces/{world.name}/events"
    listed = (await admin.get(events, fieldSelector=f"{about}.name=vm"))["items"]
    text = "message" if path == "/api/v1" else "note"
    told = [(each["reason"], each[text]) for each in listed]
    assert ("Requested", "declared") in told
    assert ("StepDone", f"build and power on at {world.name}") in told
    assert {each[about]["uid"] for each in listed} == {await world.uid()}
    one = await admin.get(f"{events}/{listed[0]['metadata']['name']}")
    assert one == {**listed[0], about: {**listed[0][about], "resourceVersion": one[about]["resourceVersion"]}}
    assert (await admin.get(events, fieldSelector=f"{about}.name=other"))["items"] == []


async def test_events_are_watched(admin: Talker, world: World) -> None:
    events = f"/api/v1/namespaces/{world.name}/events"
    version = (await admin.get(events))["metadata"]["resourceVersion"]
    await ask(admin, world, "stop")
    await world.until_status("Stopped")
    lines = await admin.watch(events, resourceVersion=version, timeoutSeconds="3")
    assert any(line["object"].get("message", "").startswith("Stopped") for line in lines)
    assert {line["type"] for line in lines} == {"ADDED"}


async def test_events_are_nobodys_to_write(admin: Talker, world: World) -> None:
    events = f"/api/v1/namespaces/{world.name}/events"
    name = (await admin.get(events))["items"][0]["metadata"]["name"]
    for method, path in (("POST", events), ("DELETE", f"{events}/{name}"), ("PATCH", f"{events}/{name}")):
        await admin.refusal(method, path, 405, json={})
    await admin.refusal("GET", f"{events}/vm.0", 404)
