"""Errands to zones and images that are there, gone, or out of reach."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.errands import ClaimRequest, Errands, ImageRequest
from domain.hypervisor import Capacity
from domain.image import ImageSource
from domain.placement import Claim
from domain.problem import Problem, Verdict
from manifests.contract import LEDGER_QUEUE, Want
from manifests.image import image_for
from manifests.registry import id_of

SOURCE = ImageSource(url="http://127.0.0.1/disk.qcow2")


@pytest.fixture
def name() -> str:
    return f"e{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def declared(client: Client, name: str) -> AsyncIterator[str]:
    """The workflow id of an Image that is open and that nobody works for."""
    image = image_for(name, SOURCE)
    handle = await client.start_workflow("Image", image.document(), id=id_of(image), task_queue="nobody")
    yield handle.id
    await handle.terminate()


def request(name: str, *, lost: bool = False) -> ImageRequest:
    want = Want(hypervisor="host", vm=f"VirtualServer/{name}/vm")
    return ImageRequest(namespace=name, source=SOURCE, want=want, lost=lost)


def unreachable(monkeypatch: pytest.MonkeyPatch, client: Client, call: str) -> None:
    """Let every such call to the server fail as it does while the server restarts."""

    async def fails(*_: Any, **__: Any) -> NoReturn:
        raise RPCError("connection refused", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr(type(client.workflow_service), "_rpc_call", fails)


async def test_a_zone_that_is_gone_has_nothing_to_release(client: Client, name: str) -> None:
    await ActivityEnvironment().run(Errands(client).ensure_released, name, "uid")


async def test_an_image_that_is_gone_has_nothing_to_forget(client: Client, name: str) -> None:
    await ActivityEnvironment().run(Errands(client).forget_image, request(name))


async def test_a_claim_in_a_zone_that_is_not_declared_says_so(client: Client, name: str) -> None:
    claim = Claim(uid="uid", vm="vm", size=Capacity(cpus=1, memory=1))
    answer = await ActivityEnvironment().run(Errands(client).ensure_claimed, ClaimRequest(zone=name, claim=claim))
    assert (answer.hypervisor, answer.message, answer.waiting) == ("", f"zone {name!r} is not declared", False)


async def test_an_image_nobody_has_worked_on_yet_is_being_imported(client: Client, name: str, declared: str) -> None:
    answer = await ActivityEnvironment().run(Errands(client).ensure_image, request(name))
    assert (answer.facts, answer.failed, answer.reason) == (None, False, "Importing")
    assert answer.message == f"importing {SOURCE.url}"


async def test_an_image_that_ended_is_started_again(client: Client, name: str, declared: str) -> None:
    await client.get_workflow_handle(declared).terminate()
    await ActivityEnvironment().run(Errands(client).ensure_image, request(name))
    again = await client.get_workflow_handle(declared).describe()
    assert again.status is not None
    assert again.status.name == "RUNNING"
