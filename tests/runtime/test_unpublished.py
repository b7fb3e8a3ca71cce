"""Objects whose workflow has not run yet: no worker is there, and they are read, listed and deleted all the same."""

import uuid
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from activities import neighbours
from manifests.contract import OBJECT_MEMO, SearchAttribute, version_at
from manifests.registry import kind_called
from manifests.status import timestamp
from runtime.objects import Applied, Objects
from runtime.story import tell
from runtime.wait import until

CONFIG_MAPS = kind_called("cm")


@pytest.fixture
def namespace() -> str:
    return f"n{uuid.uuid4().hex[:8]}"


def config_map(namespace: str) -> dict[str, Any]:
    meta = {"name": "settings", "namespace": namespace, "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"colour": "red"}}


def odd_one(namespace: str) -> TypedSearchAttributes:
    """Return by what a workflow is listed that says it is a config map called odd."""
    pairs = {SearchAttribute.KIND: "ConfigMap", SearchAttribute.NAMESPACE: namespace, SearchAttribute.NAME: "odd"}
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(key), value) for key, value in pairs.items()]
    )


async def test_an_object_has_its_identity_from_the_beginning(client: Client, namespace: str) -> None:
    objects = Objects(client)
    assert await objects.apply(config_map(namespace)) is Applied.CREATED
    execution = await client.get_workflow_handle(f"ConfigMap/{namespace}/settings").describe()
    expected = {
        "uid": execution.run_id,
        "creationTimestamp": timestamp(execution.start_time),
        "resourceVersion": str(version_at(execution.start_time)),
    }
    for document in (
        await objects.get(CONFIG_MAPS, "settings", namespace),
        *await objects.list(CONFIG_MAPS, namespace),
    ):
        assert {name: document["metadata"][name] for name in expected} == expected
        assert (document["data"], document["metadata"]["labels"]) == ({"colour": "red"}, {"app": "web"})
    assert await objects.apply(config_map(namespace)) is Applied.UNCHANGED
    assert not await objects.ensure(config_map(namespace))
    await objects.delete(CONFIG_MAPS, "settings", namespace)


ODD: list[list[Any]] = [
    [{"metadata": {"resourceVersion": "abc", "uid": "x"}}],
    [{"metadata": {"resourceVersion": "9" * 99, "uid": "x"}}],
    [{"metadata": {"resourceVersion": "7"}}],
    [{"metadata": {"labels": "none", "annotations": {"a": 1}, "name": ["x"]}, "spec": "none", "status": 5, "kind": 7}],
]


@pytest.mark.parametrize("sent", [[], ["a text"], [{"metadata": "none"}], [None], [{"kind": "ConfigMap"}], *ODD])
async def test_whatever_a_stranger_started_is_listed_by_its_workflows_name(
    client: Client, namespace: str, sent: list[Any]
) -> None:
    handle = await client.start_workflow(
        "Declaration",
        args=sent,
        id=f"ConfigMap/{namespace}/odd",
        task_queue="nobody",
        search_attributes=odd_one(namespace),
    )
    document = await Objects(client).get(CONFIG_MAPS, "odd", namespace)
    assert document["metadata"]["uid"] == handle.first_execution_run_id
    assert document["metadata"]["resourceVersion"].isdecimal()
    assert not {"labels", "annotations"} & set(document["metadata"])
    assert not {"spec", "status"} & set(document)
    assert (document["kind"], document["metadata"]["name"], document["metadata"]["namespace"]) == (
        "ConfigMap",
        "odd",
        namespace,
    )
    await handle.terminate("the test is over")


async def test_what_is_asked_to_go_says_so_before_anybody_hears_of_it(client: Client, namespace: str) -> None:
    objects = Objects(client)
    await objects.apply(config_map(namespace))
    assert "deletionTimestamp" not in (await objects.get(CONFIG_MAPS, "settings", namespace))["metadata"]
    await objects.delete(CONFIG_MAPS, "settings", namespace)
    first = (await objects.get(CONFIG_MAPS, "settings", namespace))["metadata"]["deletionTimestamp"]
    await objects.delete(CONFIG_MAPS, "settings", namespace)
    assert (await objects.get(CONFIG_MAPS, "settings", namespace))["metadata"]["deletionTimestamp"] == first


async def test_a_workflow_that_lives_no_object_of_a_kind_is_not_listed_as_one(client: Client, namespace: str) -> None:
    handle = await client.start_workflow(
        "Declaration", id=f"stranger-{namespace}", task_queue="nobody", search_attributes=odd_one(namespace)
    )
    await until(lambda: _counted(client, handle.id), every=0.05)
    assert await Objects(client).list(CONFIG_MAPS, namespace) == []
    await handle.terminate("the test is over")


async def _counted(client: Client, workflow_id: str) -> bool:
    return (await client.count_workflows(f"WorkflowId = '{workflow_id}'")).count > 0


async def test_what_nobody_can_read_spoils_neither_a_story_nor_a_list(client: Client, namespace: str) -> None:
    odd = RawValue(Payload(metadata={"encoding": b"binary/foo"}, data=b"abc"))
    handle = await client.start_workflow(
        "Declaration",
        odd,
        id=f"ConfigMap/{namespace}/odd",
        task_queue="nobody",
        memo={OBJECT_MEMO: odd},
        search_attributes=odd_one(namespace),
    )
    await handle.signal("x", odd)
    lines = [line async for line in tell([handle], client.data_converter)]
    assert [line.text for line in lines] == ["declared", "x (unreadable)"]
    await until(lambda: _counted(client, handle.id), every=0.05)
    (document,) = await Objects(client).list(CONFIG_MAPS, namespace)
    assert document["metadata"]["name"] == "odd"
    assert await neighbours.published(client, await handle.describe()) == {}
    await handle.terminate("the test is over")
