"""Namespaces: declared like anything else; deleting one takes everything in it along."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from activities import neighbours
from domain.problem import Problem
from manifests.contract import SearchAttribute, Signal
from manifests.registry import kind_called
from runtime.client import connect
from tests.temporal_server import private_server
from tests.workflows.declared import Place, config_map, namespace, refusal_of
from tests.world import PATIENCE, World, eventually
from workflows import options


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a namespace look often. The sandbox passes the options through, so workflows see it."""
    monkeypatch.setattr(options, "FIRST_LOOK", timedelta(milliseconds=200))
    monkeypatch.setattr(options, "LAST_LOOK", timedelta(seconds=1))


async def shown(place: Place) -> dict[str, Any]:
    return await place.objects.get(kind_called("ns"), place.name)


async def gone(place: Place) -> str:
    async with asyncio.timeout(PATIENCE):
        return str(await place.handle("Namespace", place.name).result())


async def test_a_declared_namespace_is_active(place: Place) -> None:
    await place.objects.apply(namespace(place))
    assert (await place.published("ns", place.name))["status"] == {"phase": "Active"}


async def test_an_empty_namespace_goes_at_once(place: Place) -> None:
    await place.objects.apply(namespace(place))
    await place.objects.delete(kind_called("ns"), place.name)
    assert await gone(place) == "deleted; nothing is left in it"


async def test_everything_in_a_namespace_goes_with_it(place: Place) -> None:
    await place.objects.apply(namespace(place))
    for number in range(5):
        await place.objects.apply({**config_map(place, {}, name=f"settings{number}")})
    await place.objects.delete(kind_called("ns"), place.name)
    await gone(place)
    assert await place.objects.list(kind_called("cm"), place.name) == []


async def test_what_is_no_object_in_the_namespace_is_left_alone(place: Place) -> None:
    await place.objects.apply(namespace(place))
    key = SearchAttributeKey.for_keyword(SearchAttribute.NAMESPACE)
    stranger = await place.client.start_workflow(
        "Anything",
        id=f"Anything/{place.name}",
        task_queue="nobody",
        search_attributes=TypedSearchAttributes([SearchAttributePair(key, place.name)]),
    )
    await place.objects.delete(kind_called("ns"), place.name)
    await gone(place)
    await stranger.terminate("the test is over")


async def test_objects_of_other_namespaces_stay(place: Place, client: Client) -> None:
    other = Place(client)
    await other.objects.apply(config_map(other, {}))
    await place.objects.apply(namespace(place))
    await place.objects.delete(kind_called("ns"), place.name)
    await gone(place)
    assert await other.objects.get(kind_called("cm"), "settings", other.name)
    await other.end()


async def test_a_namespace_waits_for_a_vm_that_cannot_go_yet_and_says_so(world: World) -> None:
    place = Place(world.client)
    place.name = world.name
    await place.objects.apply(namespace(place))
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
    await place.objects.delete(kind_called("ns"), place.name)
    found: dict[str, Any] = {}

    async def waits() -> bool:
        nonlocal found
        found = await shown(place)
        return bool("Some resources" in found["status"].get("conditions", [{}])[0].get("message", ""))

    await eventually(waits)
    assert found["status"]["phase"] == "Terminating"
    assert "deletionTimestamp" in found["metadata"]
    assert "VirtualServer has 1 resource instances" in found["status"]["conditions"][0]["message"]
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await place.replace(namespace(place))
    assert "too late" in str(refusal_of(caught))
    async with world.near():
        await gone(place)
    with pytest.raises(Problem, match="not found"):
        await world.get()


async def test_the_default_namespace_is_never_deleted(place: Place) -> None:
    default = {**namespace(place), "metadata": {"name": "default"}}
    await place.objects.apply(default)
    handle = place.handle("Namespace", "default")
    await handle.signal(Signal.DELETE)
    await handle.cancel()
    edited = {**default, "metadata": {"name": "default", "labels": {"app": "web"}}}
    await place.replace(edited)
    assert (await place.objects.get(kind_called("ns"), "default"))["status"] == {"phase": "Active"}
    with pytest.raises(Problem, match="never deleted") as refused:
        await place.objects.delete(kind_called("ns"), "default")
    assert refused.value.reason == "Forbidden"
    await handle.terminate("the test is over")


async def test_a_namespace_that_cannot_look_says_so_and_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    signal = neighbours.signal

    async def refused_once(*arguments: Any) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Problem.terminal("Broken", "the server says no")
        return await signal(*arguments)

    monkeypatch.setattr(neighbours, "signal", refused_once)
    monkeypatch.setattr(options, "FIRST_LOOK", timedelta(seconds=2))
    await place.objects.apply(namespace(place))
    await place.objects.apply(config_map(place, {}))
    await place.objects.delete(kind_called("ns"), place.name)

    async def says() -> bool:
        return "not known yet" in str((await shown(place))["status"])

    await eventually(says)
    await gone(place)
    assert calls == 2


@pytest.fixture(scope="module")
async def forgetful() -> AsyncIterator[Client]:
    """A server that suggests to continue as new after a few events."""
    async with private_server(limit__historyCount__suggestContinueAsNew=10) as settings:
        yield await connect(settings)


async def test_a_namespace_outlives_its_history(forgetful: Client) -> None:
    async with Place(forgetful).served() as place:
        await place.objects.apply(namespace(place))
        born = (await place.published("ns", place.name))["metadata"]
        for number in range(12):
            await place.replace({**namespace(place), "metadata": {"name": place.name, "labels": {"n": str(number)}}})

        async def continued() -> bool:
            return (await forgetful.count_workflows(f"WorkflowId = 'Namespace/{place.name}'")).count > 1

        await eventually(continued)
        after = (await shown(place))["metadata"]
        assert (after["uid"], after["creationTimestamp"]) == (born["uid"], born["creationTimestamp"])
        assert int(after["resourceVersion"]) > int(born["resourceVersion"])
        await place.replace(
            {**namespace(place), "metadata": {"name": place.name}}, resource_version=after["resourceVersion"]
        )
        await place.objects.delete(kind_called("ns"), place.name)
        await gone(place)
