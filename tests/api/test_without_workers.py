"""Every worker down: reads, creates and deletes go on; other writes say when to come back, and in bounded time."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from temporalio.client import Client

from api.app import application
from api.gateway import Gateway
from domain.access import EVERYWHERE, Grant, Role
from domain.problem import Problem
from manifests.contract import PowerRequest, Update
from manifests.core import default_namespace
from runtime import accounts, objects
from runtime.client import connect
from runtime.objects import Objects
from runtime.sealing import Keyring
from tests.api.talking import Talker, config_map, machine, machines, maps, refused
from tests.temporal_server import private_server


@pytest.fixture(scope="module")
async def idle() -> AsyncIterator[Client]:
    """A client of a Temporal server that no worker serves."""
    async with private_server() as settings:
        client = await connect(settings)
        await Objects(client).ensure(default_namespace())
        yield client


@pytest.fixture
async def alone(idle: Client, keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talker]:
    """An admin of a gateway whose workers are all down."""
    monkeypatch.setattr(objects, "ANSWER_WITHIN", timedelta(seconds=1))
    gateway = Gateway(Objects(idle, keyring))
    token = await accounts.create(Objects(idle), f"a{time.time_ns()}", [Grant(namespace=EVERYWHERE, role=Role.ADMIN)])
    transport = httpx.ASGITransport(app=application(gateway), raise_app_exceptions=False)
    async with Talker(transport, token) as talker:
        yield talker
    await gateway.close()


async def test_an_object_is_created_read_listed_and_watched(alone: Talker) -> None:
    created = await alone.create(machines("default"), machine("created"))
    assert created["metadata"]["uid"]
    assert (await alone.get(machines("default", "created")))["metadata"]["uid"] == created["metadata"]["uid"]
    listed = await alone.get(machines("default"))
    assert "created" in [each["metadata"]["name"] for each in listed["items"]]
    (line,) = await alone.watch(machines("default"), fieldSelector="metadata.name=created")
    assert line["type"] == "ADDED"


async def test_a_delete_is_accepted_and_the_answer_says_so(alone: Talker) -> None:
    await alone.create(machines("default"), machine("doomed"))
    answer = await alone.http.delete(machines("default", "doomed"))
    assert answer.status_code == 200
    assert answer.json()["metadata"]["deletionTimestamp"]


async def test_other_writes_are_asked_to_come_back_in_bounded_time(alone: Talker) -> None:
    await alone.create(maps("default"), config_map("kept"))
    await alone.create(machines("default"), machine("kept"))
    merge = {"Content-Type": "application/merge-patch+json"}
    for method, path, body, headers in (
        ("PUT", maps("default", "kept"), config_map("kept", data={"a": "2"}), {}),
        ("PATCH", machines("default", "kept"), {"metadata": {"labels": {"a": "b"}}}, merge),
        ("PUT", machines("default", "kept", "stop"), {"request": "once"}, {}),
    ):
        began = time.monotonic()
        answer = await alone.http.request(method, path, json=body, headers=headers)
        status = refused(answer, 503)
        assert time.monotonic() - began < 10
        assert status["reason"] == "ServiceUnavailable"
        assert int(answer.headers["retry-after"]) == status["details"]["retryAfterSeconds"]


async def test_what_changes_nothing_is_answered_all_the_same(alone: Talker) -> None:
    created = await alone.create(maps("default"), config_map("same"))
    answer = await alone.http.put(maps("default", "same"), json=created)
    assert answer.status_code == 200, answer.text


async def test_an_operation_waits_no_longer_however_often_the_server_says_not_yet(keyring: Keyring) -> None:
    async with private_server(history__longPollExpirationInterval='"1s"') as settings:
        store = Objects(await connect(settings), keyring)
        await store.ensure(machine("web"))
        async with asyncio.timeout(20):
            with pytest.raises(Problem, match="no worker accepted the start within 2"):
                await store.operate(Update.START, PowerRequest(), "web", "default")
