"""Objects without a life: declared, edited, deleted, and read back as they were written."""

import asyncio
import uuid
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from domain.problem import Problem
from domain.requests import REMEMBERED_REQUESTS
from manifests.configuration import DATA_LIMIT
from manifests.contract import ReplaceAnswer, ReplaceRequest, Signal, Update, WorkflowType, version_at
from manifests.registry import kind_called
from runtime.objects import Document
from tests.workflows.declared import Place, config_map, refusal_of
from tests.world import eventually


async def test_a_created_object_is_published_as_it_was_written(place: Place) -> None:
    written = config_map(place, {"colour": "red"}, labels={"app": "web"})
    await place.objects.apply(written)
    shown = await place.published("cm", "settings")
    server_made = ("uid", "creationTimestamp", "resourceVersion", "generation")
    added = {name: shown["metadata"].pop(name) for name in server_made}
    assert {name: shown[name] for name in ("apiVersion", "kind", "data")} == {
        name: written[name] for name in ("apiVersion", "kind", "data")
    }
    assert shown["metadata"]["labels"] == {"app": "web"}
    assert added["uid"] == (await place.handle("ConfigMap", "settings").describe()).run_id
    assert added["generation"] == 1
    assert "status" not in shown


async def test_creating_costs_the_events_of_one_workflow_task(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    await place.published("cm", "settings")
    events = (await place.handle("ConfigMap", "settings").fetch_history()).events
    assert [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_WORKFLOW_") for event in events] == [
        "EXECUTION_STARTED",
        "TASK_SCHEDULED",
        "TASK_STARTED",
        "TASK_COMPLETED",
        "PROPERTIES_MODIFIED",
    ]


async def test_an_object_started_by_a_stranger_is_listed_like_any_other(place: Place) -> None:
    handle = await place.start("ConfigMap", config_map(place, {"colour": "red"}))
    await place.published("cm", "settings")
    await place.listed("cm", ["settings"])
    assert (await place.objects.get(kind_called("cm"), "settings", place.name))["data"] == {"colour": "red"}
    await handle.signal(Signal.DELETE)
    assert await handle.result() == "deleted"


async def test_an_edit_is_read_back_at_once(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    before = await place.published("cm", "settings")
    answer = await place.replace(config_map(place, {"colour": "blue"}))
    after = await place.objects.get(kind_called("cm"), "settings", place.name)
    assert (after["data"], after["metadata"]["generation"]) == ({"colour": "blue"}, 2)
    assert after["metadata"]["resourceVersion"] == answer.resource_version
    assert int(answer.resource_version) > int(before["metadata"]["resourceVersion"])
    assert (after["metadata"]["uid"], answer.generation) == (before["metadata"]["uid"], 2)


async def test_new_labels_begin_no_generation(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    answer = await place.replace(config_map(place, {"colour": "red"}, labels={"app": "web"}))
    after = await place.objects.get(kind_called("cm"), "settings", place.name)
    assert (answer.generation, after["metadata"]["labels"]) == (1, {"app": "web"})


async def test_an_edit_that_changes_nothing_makes_no_version(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    before = await place.published("cm", "settings")
    answer = await place.replace(config_map(place, {"colour": "red"}))
    assert answer.resource_version == before["metadata"]["resourceVersion"]


async def test_an_edit_of_an_outdated_version_is_refused(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    seen = (await place.published("cm", "settings"))["metadata"]["resourceVersion"]
    await place.replace(config_map(place, {"colour": "blue"}), resource_version=seen)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await place.replace(config_map(place, {"colour": "green"}), resource_version=seen)
    assert refusal_of(caught).type == "Conflict"
    assert "the object has been modified" in str(refusal_of(caught))


async def test_of_many_edits_of_one_version_one_is_made(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    seen = (await place.published("cm", "settings"))["metadata"]["resourceVersion"]
    edits = [place.replace(config_map(place, {"colour": str(number)}), resource_version=seen) for number in range(8)]
    outcomes = await asyncio.gather(*edits, return_exceptions=True)
    assert [type(each) for each in outcomes].count(ReplaceAnswer) == 1
    assert [type(each) for each in outcomes].count(WorkflowUpdateFailedError) == 7


async def test_the_same_request_twice_is_one_edit(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    seen = (await place.published("cm", "settings"))["metadata"]["resourceVersion"]
    blue = ReplaceRequest(manifest=config_map(place, {"colour": "blue"}), request="once", resource_version=seen)
    handle = place.handle("ConfigMap", "settings")
    answers = [
        await handle.execute_update(Update.REPLACE, blue, result_type=ReplaceAnswer, id=uuid.uuid4().hex)
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "blue"}, "colour: unknown field"),
        ({"data": {"colour": 5}}, "data.colour: Input should be a valid string"),
        ({"metadata": {"name": "other"}}, "metadata.name: the workflow's id must be ConfigMap/default/other"),
        ({"kind": "ServiceAccount", "data": None}, "kind: ServiceAccount is not lived by Declaration"),
    ],
)
async def test_an_edit_that_is_no_such_object_is_refused(place: Place, change: dict[str, Any], message: str) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    edited = {**config_map(place, {"colour": "red"}), **change}
    edited = {key: value for key, value in edited.items() if value is not None}
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await place.replace(edited, name="settings")
    assert refusal_of(caught).type == "InvalidManifest"
    assert str(refusal_of(caught)).endswith(message)


async def test_what_is_immutable_is_not_edited(place: Place) -> None:
    await place.objects.apply({**config_map(place, {"colour": "red"}), "immutable": True})
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await place.replace({**config_map(place, {"colour": "blue"}), "immutable": True})
    assert "data: field is immutable when `immutable` is set" in str(refusal_of(caught))


async def test_a_deleted_object_takes_no_edit_and_a_new_one_has_another_uid(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    first = await place.published("cm", "settings")
    await place.delete("cm", "settings")
    await place.objects.apply(config_map(place, {"colour": "red"}))
    second = await place.published("cm", "settings")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])


async def test_cancelling_deletes(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    handle = place.handle("ConfigMap", "settings")
    await handle.cancel()
    assert await handle.result() == "deleted"


async def test_a_refused_object_says_why_and_takes_neither_edits_nor_operations(place: Place) -> None:
    handle = await place.start("ConfigMap", {**config_map(place, {}), "colour": "red"})
    shown = await place.published("cm", "settings")
    assert shown["status"]["conditions"][0]["message"] == "colour: unknown field"
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await place.replace(config_map(place, {}))
    assert refusal_of(caught).type == "InvalidManifest"
    await handle.signal(Signal.DELETE)
    assert await handle.result() == "deleted; its manifest was never accepted"


async def test_what_nobody_declared_is_not_carried_on(place: Place) -> None:
    handle = await place.start("ConfigMap", config_map(place, {}), {"generation": "many"})
    shown = await place.published("cm", "settings")
    assert "started with its manifest alone" in shown["status"]["message"]
    await handle.signal(Signal.DELETE)
    await handle.result()


@pytest.mark.parametrize("object_id", ["anything", "Zone/z1", "Namespace/web"])
async def test_a_workflow_that_has_no_objects_id_ends_at_once(client: Client, place: Place, object_id: str) -> None:
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(
        WorkflowType.DECLARATION, {}, id=f"{object_id}-{place.name}", task_queue="lifecycle"
    )
    assert str(await handle.result()).startswith("refused: kind: no kind None of None")


async def test_a_secret_that_is_not_sealed_is_refused_and_not_shown(place: Place) -> None:
    bare = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "bare", "namespace": place.name, "annotations": {"note": "hunter2"}},
        "stringData": {"password": "hunter2"},
    }
    handle = await place.start("Secret", bare, name="bare")
    shown = await place.published("secrets", "bare")
    assert "data[password]: a secret must be sealed" in shown["status"]["message"]
    assert "hunter2" not in str(shown)
    assert "data" not in shown
    await handle.signal(Signal.DELETE)
    await handle.result()


async def test_the_last_requests_are_remembered_and_no_more(place: Place) -> None:
    await place.objects.apply(config_map(place, {"number": "start"}))
    for number in range(REMEMBERED_REQUESTS + 1):
        await place.replace(config_map(place, {"number": str(number)}), request=f"r{number}")
    handle = place.handle("ConfigMap", "settings")
    again = ReplaceRequest(manifest=config_map(place, {"number": "0"}), request="r1")
    answer = await handle.execute_update(Update.REPLACE, again, result_type=ReplaceAnswer, id=uuid.uuid4().hex)
    assert answer.generation == REMEMBERED_REQUESTS + 2


async def stored(place: Place, document: Document, version: str = "") -> ReplaceAnswer:
    """Edit an object, again while it says that it cannot take so much right now."""
    answers: list[ReplaceAnswer] = []

    async def taken() -> bool:
        try:
            answers.append(await place.replace(document, resource_version=version))
        except WorkflowUpdateFailedError as error:
            if "please try again" in str(error.cause) and "modified" not in str(error.cause):
                return False
            raise
        return True

    await eventually(taken)
    return answers[0]


async def test_the_largest_config_map_is_created_edited_and_continued(place: Place) -> None:
    def large(letter: str) -> Document:
        return config_map(place, {letter: letter * DATA_LIMIT})

    await place.objects.apply(large("a"))
    first = await place.published("cm", "settings")
    for letter in "bcdefg":
        await stored(place, large(letter))
    after = await place.objects.get(kind_called("cm"), "settings", place.name)
    assert after["data"] == {"g": "g" * DATA_LIMIT}
    assert (after["metadata"]["generation"], after["metadata"]["uid"]) == (7, first["metadata"]["uid"])

    async def continued() -> bool:
        runs = await place.client.count_workflows(f"WorkflowId = 'ConfigMap/{place.name}/settings'")
        return runs.count > 1

    await eventually(continued)
    assert (await stored(place, large("h"), after["metadata"]["resourceVersion"])).generation == 8


async def test_edits_that_one_task_cannot_carry_together_harm_nothing(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    await place.published("cm", "settings")
    large = [config_map(place, {"x": str(number) * 1_000_000}) for number in range(4)]
    edits = [place.objects.replace(each, ReplaceRequest(manifest=each)) for each in large]
    outcomes = await asyncio.gather(*edits, return_exceptions=True)
    for each in outcomes:
        if not isinstance(each, ReplaceAnswer):
            assert isinstance(each, Problem)
            assert "try again" in each.message

    async def edited() -> bool:
        try:
            await place.objects.replace(large[0], ReplaceRequest(manifest=large[0]))
        except Problem:
            return False
        return True

    await eventually(edited)


async def test_what_was_just_created_may_be_edited_as_its_creator_saw_it(place: Place) -> None:
    await place.objects.apply(config_map(place, {"colour": "red"}))
    execution = await place.handle("ConfigMap", "settings").describe()
    born = str(version_at(execution.start_time))
    await place.published("cm", "settings")
    await place.replace(config_map(place, {"colour": "blue"}), resource_version=born)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await place.replace(config_map(place, {"colour": "green"}), resource_version=born)
    assert refusal_of(caught).type == "Conflict"
