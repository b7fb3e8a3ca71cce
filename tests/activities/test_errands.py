"""Errands to zones and images that are there, gone, or out of reach."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities.errands import ClaimRequest, Errands, ImageRequest
from domain.backoff import Backoff
from domain.hypervisor import Capacity
from domain.image import ImageSource
from domain.placement import Claim
from domain.problem import Problem, Verdict
from manifests.contract import Release, SearchAttribute, Want
from manifests.image import image_for
from manifests.registry import id_of
from tests.activities.line import Line
from tests.world import eventually

KIND = SearchAttributeKey.for_keyword(SearchAttribute.KIND.value)
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
    await client.get_workflow_handle(handle.id).terminate()


def request(name: str, *, lost: bool = False) -> ImageRequest:
    want = Want(hypervisor="host", vm=f"VirtualServer/{name}/vm")
    return ImageRequest(namespace=name, source=SOURCE, want=want, lost=lost)


@pytest.fixture
async def cut_off(line: Line) -> Errands:
    """Errands of a worker that has lost its Temporal server."""
    client = await line.client()
    line.cut()
    return Errands(client)


async def test_a_zone_that_is_gone_has_nothing_to_release(client: Client, name: str) -> None:
    await ActivityEnvironment().run(Errands(client).ensure_released, name, Release(uid="uid"))


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


async def test_a_server_out_of_reach_is_trouble_that_passes(cut_off: Errands, name: str) -> None:
    claim = Claim(uid="uid", vm="vm", size=Capacity(cpus=1, memory=1))
    environment = ActivityEnvironment()
    with pytest.raises(Problem) as caught:
        await environment.run(cut_off.ensure_claimed, ClaimRequest(zone=name, claim=claim))
    assert (caught.value.reason, caught.value.field, caught.value.verdict) == ("ZoneUnreachable", name, Verdict.RETRY)
    with pytest.raises(RPCError):
        await environment.run(cut_off.ensure_released, name, Release(uid="uid"))
    with pytest.raises(RPCError):
        await environment.run(cut_off.ensure_image, request(name))


async def test_a_zone_that_does_not_answer_in_time_is_trouble_that_passes(client: Client, name: str) -> None:
    zone = await client.start_workflow("Zone", {}, id=f"Zone/{name}", task_queue="nobody")
    claim = Claim(uid="uid", vm="vm", size=Capacity(cpus=1, memory=1))
    with pytest.raises(Problem) as caught:
        async with asyncio.timeout(0.5):
            await ActivityEnvironment().run(Errands(client).ensure_claimed, ClaimRequest(zone=name, claim=claim))
    assert (caught.value.reason, caught.value.verdict) == ("ZoneUnreachable", Verdict.RETRY)
    await zone.terminate()


async def test_a_survey_tells_the_zones_and_the_installations_delays(client: Client) -> None:
    backoff = Backoff(first=1)
    errands = Errands(client, backoff)
    survey = await ActivityEnvironment().run(errands.survey)
    assert survey.backoff == backoff
    assert sorted(survey.zones) == list(survey.zones)
    assert (await ActivityEnvironment().run(Errands(client).survey)).backoff == Backoff()


async def test_zones_are_named_in_order(client: Client, name: str) -> None:
    handles = [
        await client.start_workflow(
            "Zone",
            {},
            id=f"{prefix}{name}{suffix}",
            task_queue="nobody",
            search_attributes=TypedSearchAttributes([SearchAttributePair(KIND, "Zone")]),
        )
        for prefix, suffix in (("Zone/", "b"), ("Zone/", "a"), ("misnamed-", ""))
    ]
    wanted = [f"{name}a", f"{name}b"]

    async def listed() -> bool:
        named: list[str] = await ActivityEnvironment().run(Errands(client).zones)
        return [zone for zone in named if name in zone] == wanted

    await eventually(listed)
    for handle in handles:
        await handle.terminate()
