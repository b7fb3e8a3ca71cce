"""Watches: what they tell, from when on, and what they cost."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from api.cache import Fed, Key, Row, Scope
from api.gateway import Gateway
from api.reading import ListQuery
from api.sources import Listed
from api.streaming import BOOKMARK, PULSE, events
from api.watching import Poller, clock
from tests.api.talking import Json, Talker, config_map, maps
from tests.world import eventually

MERGE = {"Content-Type": "application/merge-patch+json"}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def told(lines: list[Json]) -> list[tuple[str, str]]:
    return [(line["type"], line["object"].get("metadata", {}).get("name", "")) for line in lines]


@pytest.fixture
def poller(gateway: Gateway) -> Poller:
    return gateway.store.of("ConfigMap").poller


async def test_a_watch_from_a_list_tells_what_came_after_it(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map("before"))
    version = (await admin.get(maps(namespace)))["metadata"]["resourceVersion"]
    watching = asyncio.create_task(admin.watch(maps(namespace), resourceVersion=version, timeoutSeconds="3"))
    await admin.create(maps(namespace), config_map("new"))
    await admin.http.patch(maps(namespace, "new"), json={"data": {"b": "2"}}, headers=MERGE)
    await admin.http.delete(maps(namespace, "new"))
    lines = await watching
    words = [word for word, _ in told(lines)]
    assert (words[0], set(words[1:-1]), words[-1]) == ("ADDED", {"MODIFIED"}, "DELETED")
    assert {name for _, name in told(lines)} == {"new"}
    assert lines[-2]["object"]["data"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_watch_from_nowhere_begins_with_what_there_is(admin: Talker, namespace: str, version: str) -> None:
    await admin.create(maps(namespace), config_map("a"))
    await admin.create(maps(namespace), config_map("b"))
    assert told(await admin.watch(maps(namespace), resourceVersion=version)) == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_streaming_list_ends_its_beginning_with_a_bookmark(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map("a"))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    lines = await admin.watch(maps(namespace), **query)
    assert told(lines)[:2] == [("ADDED", "a"), ("BOOKMARK", "")]
    assert lines[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert lines[1]["object"]["kind"] == "ConfigMap"


async def test_a_watch_from_before_anybody_remembers_is_expired(admin: Talker, namespace: str) -> None:
    (line,) = await admin.watch(maps(namespace), resourceVersion="1")
    assert line["type"] == "ERROR"
    assert (line["object"]["code"], line["object"]["reason"]) == (410, "Expired")


async def test_what_a_gateway_did_not_see_while_nobody_watched_is_told_later(
    admin: Talker, namespace: str, gateway: Gateway, client: Client
) -> None:
    """Somebody else writes, by another gateway or by Temporal itself."""
    version = (await admin.get(maps(namespace)))["metadata"]["resourceVersion"]
    await gateway.store.objects.create(
        {**config_map("foreign"), "metadata": {"name": "foreign", "namespace": namespace}}
    )
    lines = await admin.watch(maps(namespace), resourceVersion=version, timeoutSeconds="2")
    assert told(lines)[0] == ("ADDED", "foreign")


async def test_what_is_selected_is_told_and_what_leaves_the_selection_is_deleted(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map("a", labels={"tier": "front"}))
    version = (await admin.get(maps(namespace)))["metadata"]["resourceVersion"]
    query = {"labelSelector": "tier=front", "resourceVersion": version, "timeoutSeconds": "2"}
    watching = asyncio.create_task(admin.watch(maps(namespace), **query))
    await admin.create(maps(namespace), config_map("b", labels={"tier": "back"}))
    for name, tier in (("a", "back"), ("b", "front")):
        change = {"metadata": {"labels": {"tier": tier}}}
        assert (await admin.http.patch(maps(namespace, name), json=change, headers=MERGE)).status_code == 200
    assert told(await watching) == [("DELETED", "a"), ("ADDED", "b")]


async def test_another_namespace_is_not_told_of(admin: Talker, namespace: str) -> None:
    version = (await admin.get(maps(namespace)))["metadata"]["resourceVersion"]
    watching = asyncio.create_task(admin.watch(maps(namespace), resourceVersion=version, timeoutSeconds="2"))
    await admin.create(maps("default"), {"metadata": {"generateName": "other-"}})
    assert await watching == []


async def test_a_watch_can_tell_in_tables(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map("a"))
    await admin.create(maps(namespace), config_map("b"))
    answer = await admin.http.get(
        maps(namespace), params={"watch": "1", "timeoutSeconds": "1"}, headers={"Accept": TABLE}
    )
    first, second = [json.loads(line)["object"] for line in answer.text.splitlines()]
    assert first["columnDefinitions"]
    assert not second["columnDefinitions"]
    assert (first["rows"][0]["cells"][0], second["rows"][0]["cells"][0]) == ("a", "b")


async def test_a_watch_of_one_object_is_told_of_that_one(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map("a"))
    await admin.create(maps(namespace), config_map("b"))
    assert told(await admin.watch(maps(namespace), fieldSelector="metadata.name=b")) == [("ADDED", "b")]


async def test_options_that_mean_nothing_together_are_refused(admin: Talker, namespace: str) -> None:
    for query in (
        {"watch": "true", "resourceVersionMatch": "Exact"},
        {"watch": "true", "sendInitialEvents": "true"},
        {"resourceVersionMatch": "Exact"},
        {"resourceVersionMatch": "Nearly", "resourceVersion": "1"},
    ):
        await admin.refusal("GET", maps(namespace), 422, params=query)
    await admin.refusal("GET", maps(namespace), 400, params={"resourceVersion": "yesterday"})
    await admin.refusal("GET", maps(namespace), 400, params={"watch": "true", "resourceVersion": "abc"})
    await admin.refusal("GET", maps(namespace), 400, params={"limit": "-1"})


class Counting:
    """Counts how often a Temporal client lists config maps; workers list other things with it."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lists: Counter[str] = Counter()
        real = client.list_workflows

        def counted(query: str | None = None, **options: object) -> object:
            self.lists[query or ""] += "'ConfigMap'" in (query or "")
            return real(query, **options)  # type: ignore[arg-type] # handed on as they came

        monkeypatch.setattr(client, "list_workflows", counted)

    @property
    def total(self) -> int:
        return self.lists.total()


async def test_two_hundred_watchers_cost_one_poller(
    poller: Poller, client: Client, namespace: str, admin: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def first_event() -> str:
        async with aclosing(events(poller, _everything(version), 60)) as stream:
            async for event in stream:
                return str(event.document["metadata"]["name"])
        raise AssertionError("the watch ended before it told anything")

    await poller.fresh()
    version = str(poller.cache.stamp)
    counting = Counting(client, monkeypatch)
    watchers = [asyncio.create_task(first_event()) for _ in range(200)]
    await eventually(lambda: _polls(poller))
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(2)
    await admin.create(maps(namespace), config_map("seen"))
    assert set(await asyncio.gather(*watchers)) == {"seen"}
    seconds = asyncio.get_running_loop().time() - began
    alone = seconds / 0.2 + 2  # one look every 0.2 s at most, whoever watches
    assert counting.total <= alone, counting.lists
    assert not poller.polls


async def test_nobody_watching_nothing_is_listed(
    poller: Poller, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with aclosing(events(poller, _everything(""), 60)) as stream:
        watching = asyncio.create_task(anext(stream))
        await eventually(lambda: _polls(poller))
        watching.cancel()
        await asyncio.wait([watching])
    assert not poller.polls
    counting = Counting(client, monkeypatch)
    await asyncio.sleep(1.5)
    assert counting.total <= 1  # one may have been on its way when the last watcher left


async def test_lists_that_are_asked_for_at_the_same_time_share_two_listings(
    poller: Poller, client: Client, monkeypatch: pytest.MonkeyPatch, lived: None
) -> None:
    counting = Counting(client, monkeypatch)
    await asyncio.gather(*(poller.fresh() for _ in range(100)))
    assert counting.total == 2


async def test_watchers_wait_while_temporal_does_not_answer(
    poller: Poller, gateway: Gateway, namespace: str, admin: Talker, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await poller.fresh()
    query = _everything(str(poller.cache.stamp))

    async def told_of() -> str:
        async with aclosing(events(poller, query, 30)) as stream:
            return str((await anext(stream)).document["metadata"]["name"])

    watching = asyncio.create_task(told_of())
    await eventually(lambda: _polls(poller))
    with monkeypatch.context() as away:
        away.setattr("api.watching.TROUBLE", 0.1)
        away.setattr(poller._source, "listing", _Unreachable)
        await asyncio.sleep(0.5)
        assert not watching.done()
    await gateway.store.objects.create(config_map("after", namespace=namespace))
    assert await watching == "after"


async def test_a_watch_of_what_is_quiet_is_told_how_far_it_is_although_the_kind_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poller = Poller(_Nothing())
    await poller.fresh()
    monkeypatch.setattr("api.streaming.BOOKMARK_SECONDS", 0.2)
    query = ListQuery(Scope("quiet"), lambda _: True, version=str(poller.cache.stamp), bookmarks=True)

    async def noise() -> None:
        for number in itertools.count(1):
            row = Row(Key("busy", "noise"), "run", b"")
            poller.cache.put(Fed(row, "uid", number, {"metadata": {"name": "noise"}, "data": {"n": number}}), clock())
            poller._tell()
            await asyncio.sleep(0.01)

    busy = asyncio.create_task(noise())
    before = poller.cache.latest
    async with aclosing(events(poller, query, 30)) as stream:
        told = [await anext(stream), await anext(stream)]
    busy.cancel()
    assert [event.word for event in told] == [PULSE, BOOKMARK]
    assert int(told[1].document["metadata"]["resourceVersion"]) > before


class _Nothing:
    """A source without objects."""

    async def listing(self, _scope: Scope) -> AsyncIterator[Listed]:
        nothing: tuple[Listed, ...] = ()
        for each in nothing:
            yield each

    async def look(self, _key: Key) -> Fed | None:
        return None


class _Unreachable:
    """A listing that Temporal does not answer."""

    def __init__(self, _scope: Scope) -> None: ...

    def __aiter__(self) -> "_Unreachable":
        return self

    async def __anext__(self) -> object:
        raise RPCError("no connection", RPCStatusCode.UNAVAILABLE, b"")


async def _polls(poller: Poller) -> bool:
    return poller.polls


def _everything(version: str) -> ListQuery:
    return ListQuery(Scope(), lambda _: True, version=version)
