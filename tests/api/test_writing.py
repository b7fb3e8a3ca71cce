"""Creates, updates and patches: what is accepted, what is refused and in which words."""

import asyncio
import uuid

import pytest

from tests.api.talking import PROJECT, Json, Talker, config_map, machine, machines, maps

MERGE = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


async def patched(talker: Talker, path: str, patch: object, headers: dict[str, str], **query: str) -> Json:
    answer = await talker.http.patch(path, json=patch, headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def test_a_name_is_made_from_generate_name(admin: Talker, namespace: str) -> None:
    document = {"metadata": {"generateName": "made-"}, "data": {}}
    made = [(await admin.create(maps(namespace), document))["metadata"]["name"] for _ in range(2)]
    assert all(name.startswith("made-") and len(name) == 10 for name in made)
    assert made[0] != made[1]


async def test_what_is_there_is_not_created_again(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map())
    status = await admin.refusal("POST", maps(namespace), 409, json=config_map())
    assert (status["reason"], status["message"]) == ("AlreadyExists", 'configmaps "settings" already exists')
    assert status["details"] == {"name": "settings", "kind": "configmaps"}


async def test_nothing_is_created_in_a_namespace_nobody_declared(admin: Talker) -> None:
    status = await admin.refusal("POST", maps("nowhere"), 404, json=config_map())
    assert status["message"] == 'namespaces "nowhere" not found'
    assert (await admin.create(maps("default"), {"metadata": {"generateName": "a-"}}))["metadata"]["name"]


async def test_a_body_that_says_otherwise_than_its_path_is_refused(admin: Talker, namespace: str) -> None:
    for document in (
        config_map(namespace="elsewhere"),
        {**config_map(), "kind": "Secret"},
        {**config_map(), "apiVersion": "v2"},
    ):
        assert (await admin.refusal("POST", maps(namespace), 400, json=document))["reason"] == "BadRequest"
    await admin.create(maps(namespace), config_map())
    await admin.refusal("PUT", maps(namespace, "settings"), 400, json=config_map("other"))


async def test_a_dry_run_validates_answers_and_writes_nothing(admin: Talker, namespace: str) -> None:
    created = await admin.create(maps(namespace), config_map(), dryRun="All")
    assert created["metadata"]["name"] == "settings"
    assert (await admin.get(maps(namespace)))["items"] == []
    await admin.refusal("POST", maps(namespace), 422, json=config_map(data={"../x": ""}), params={"dryRun": "All"})
    await admin.create(maps(namespace), config_map())
    told = await patched(admin, maps(namespace, "settings"), {"data": {"a": "2"}}, MERGE, dryRun="All")
    assert told["data"]["a"] == "2"
    gone = await admin.http.delete(maps(namespace, "settings"), params={"dryRun": "All"})
    assert gone.status_code == 200
    assert (await admin.get(maps(namespace, "settings")))["data"]["a"] == "1"
    await admin.refusal("POST", maps(namespace), 422, json=config_map(), params={"dryRun": "Some"})


async def test_an_update_with_an_outdated_version_is_a_conflict(admin: Talker, namespace: str) -> None:
    first = await admin.create(maps(namespace), config_map())
    await patched(admin, maps(namespace, "settings"), {"data": {"a": "2"}}, MERGE)
    status = await admin.refusal("PUT", maps(namespace, "settings"), 409, json={**first, "data": {"a": "3"}})
    assert status["reason"] == "Conflict"
    assert "the object has been modified; please apply your changes to the latest version" in status["message"]
    unconditional = {**first, "metadata": {"name": "settings"}, "data": {"a": "3"}}
    assert (await admin.http.put(maps(namespace, "settings"), json=unconditional)).json()["data"] == {"a": "3"}


async def test_an_object_of_another_uid_is_not_written_over(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map())
    other = config_map(uid="00000000-0000-0000-0000-000000000000")
    await admin.refusal("PUT", maps(namespace, "settings"), 409, json=other)


async def test_of_writers_who_read_the_same_state_one_wins(admin: Talker, namespace: str) -> None:
    first = await admin.create(maps(namespace), config_map())
    answers = await asyncio.gather(
        *(admin.http.put(maps(namespace, "settings"), json={**first, "data": {"n": str(n)}}) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


async def test_patches_by_many_at_once_are_all_made(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map(data={}))
    await asyncio.gather(
        *(patched(admin, maps(namespace, "settings"), {"data": {f"k{n}": "v"}}, MERGE) for n in range(4))
    )
    assert set((await admin.get(maps(namespace, "settings")))["data"]) == {"k0", "k1", "k2", "k3"}


@pytest.mark.parametrize(
    ("headers", "patch"),
    [
        (MERGE, {"data": {"a": None, "b": "2"}}),
        (JSON_PATCH, [{"op": "remove", "path": "/data/a"}, {"op": "add", "path": "/data/b", "value": "2"}]),
        (STRATEGIC, {"data": {"a": None, "b": "2"}}),
    ],
    ids=["merge", "json", "strategic"],
)
async def test_each_patch_does_the_same_here(
    admin: Talker, namespace: str, headers: dict[str, str], patch: Json
) -> None:
    await admin.create(maps(namespace), config_map())
    assert (await patched(admin, maps(namespace, "settings"), patch, headers))["data"] == {"b": "2"}


async def test_a_patch_that_changes_nothing_leaves_the_version(admin: Talker, namespace: str) -> None:
    first = await admin.create(maps(namespace), config_map())
    same = await patched(admin, maps(namespace, "settings"), {"data": {"a": "1"}}, MERGE)
    assert same["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_patch_may_name_the_version_it_is_for(admin: Talker, namespace: str) -> None:
    first = await admin.create(maps(namespace), config_map())
    version = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}}
    await patched(admin, maps(namespace, "settings"), {**version, "data": {"a": "2"}}, MERGE)
    stale = {**version, "data": {"a": "3"}}
    await admin.refusal("PATCH", maps(namespace, "settings"), 409, json=stale, headers=MERGE)


async def test_a_patch_of_nothing_is_not_found_and_an_apply_creates(admin: Talker, namespace: str) -> None:
    await admin.refusal("PATCH", maps(namespace, "settings"), 404, json={"data": {}}, headers=MERGE)
    query = {"fieldManager": "tests"}
    answer = await admin.http.patch(maps(namespace, "settings"), json=config_map(), headers=APPLY, params=query)
    assert answer.status_code == 201, answer.text
    assert answer.json()["metadata"]["managedFields"][0]["manager"] == "tests"


async def test_an_apply_that_takes_a_field_is_a_conflict_until_it_is_forced(admin: Talker, namespace: str) -> None:
    path = maps(namespace, "settings")
    await admin.http.patch(path, json=config_map(), headers=APPLY, params={"fieldManager": "one"})
    other = config_map(data={"a": "2"})
    status = await admin.refusal("PATCH", path, 409, json=other, headers=APPLY, params={"fieldManager": "two"})
    assert status["details"]["causes"][0]["field"] == ".data.a"
    assert 'conflict with "one"' in status["message"]
    forced = await patched(admin, path, other, APPLY, fieldManager="two", force="true")
    assert forced["data"] == {"a": "2"}


async def test_an_apply_names_its_manager(admin: Talker, namespace: str) -> None:
    await admin.refusal("PATCH", maps(namespace, "settings"), 422, json=config_map(), headers=APPLY)


async def test_a_virtual_server_takes_no_strategic_patch(admin: Talker, namespace: str) -> None:
    await admin.create(machines(namespace), machine())
    status = await admin.refusal("PATCH", machines(namespace, "web"), 415, json={}, headers=STRATEGIC)
    assert status["reason"] == "UnsupportedMediaType"


async def test_an_edit_of_what_a_vm_keeps_for_life_names_the_field(admin: Talker, namespace: str) -> None:
    await admin.create(machines(namespace), machine())
    patch = {"spec": {"storage": {"root": {"source": {"http": {"url": "http://127.0.0.1/other.qcow2"}}}}}}
    status = await admin.refusal("PATCH", machines(namespace, "web"), 422, json=patch, headers=MERGE)
    assert "spec.storage.root.source" in status["message"]


async def test_labels_change_without_a_new_generation_and_a_spec_begins_one(admin: Talker, namespace: str) -> None:
    await admin.create(machines(namespace), machine())
    labelled = await patched(admin, machines(namespace, "web"), {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert labelled["metadata"]["generation"] == 1
    assert labelled["metadata"]["labels"]["a"] == "b"
    memory = {"spec": {"resources": {"memory": "512Mi"}}}
    assert (await patched(admin, machines(namespace, "web"), memory, MERGE))["metadata"]["generation"] == 2


async def test_what_the_server_writes_is_not_taken_from_clients(admin: Talker, namespace: str) -> None:
    forged = config_map(uid="x", generation=7, creationTimestamp="1999-01-01T00:00:00Z")
    created = (await admin.create(maps(namespace), forged))["metadata"]
    assert created["uid"] != "x"
    assert created["generation"] == 1
    assert not created["creationTimestamp"].startswith("1999")


async def test_what_is_created_has_no_version_yet(admin: Talker, namespace: str) -> None:
    for query in ({}, {"dryRun": "All"}):
        status = await admin.refusal("POST", maps(namespace), 400, json=config_map(resourceVersion="1"), params=query)
        assert status["message"] == "resourceVersion should not be set on objects to be created"
    for version in ("", "0"):
        await admin.create(maps(namespace), config_map(f"v{version}", resourceVersion=version))


async def test_an_edit_is_called_by_a_short_id(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map())
    path, other = maps(namespace, "settings"), config_map(data={"a": "2"})
    status = await admin.refusal("PUT", path, 400, json=other, params={"request": "x" * 1200})
    assert "at most 128 characters" in status["message"]
    assert (await admin.http.put(path, json=other, params={"request": "x" * 128})).status_code == 200


async def test_the_status_is_read_and_not_written(admin: Talker, namespace: str) -> None:
    await admin.create(machines(namespace), {**machine(), "status": {"printableStatus": "Running"}})
    shown = await admin.get(machines(namespace, "web", "status"))
    assert shown.get("status", {}).get("printableStatus") != "Running"
    await admin.refusal("PUT", machines(namespace, "web", "status"), 405, json=shown)


async def test_yaml_is_read_as_json_is(admin: Talker, namespace: str) -> None:
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n  a: 'yes'\n"
    answer = await admin.http.post(maps(namespace), content=body, headers={"Content-Type": "application/yaml"})
    assert answer.status_code == 201
    assert answer.json()["data"] == {"a": "yes"}


async def test_a_secret_is_read_as_it_was_written_and_kept_sealed(admin: Talker, namespace: str) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    path = f"/api/v1/namespaces/{namespace}/secrets"
    created = await admin.create(path, secret)
    assert created["data"] == {"password": "aHVudGVyMg=="}
    assert (await admin.get(f"{path}/s"))["data"] == created["data"]
    assert (await admin.get(path))["items"][0]["data"] == created["data"]
    changed = await patched(admin, f"{path}/s", {"data": {"more": "MQ=="}}, MERGE)
    assert changed["data"] == {"password": "aHVudGVyMg==", "more": "MQ=="}


async def test_what_is_not_edited_is_created_by_an_apply_and_stays_what_it_is(admin: Talker) -> None:
    name = f"z{uuid.uuid4().hex[:8]}"
    zone: Json = {"apiVersion": "vmflow.dev/v1alpha1", "kind": "Zone", "metadata": {"name": name}}
    path = f"{PROJECT}/zones/{name}"
    answer = await admin.http.patch(path, json=zone, headers=APPLY, params={"fieldManager": "kubectl"})
    assert answer.status_code == 201, answer.text
    await patched(admin, path, {"metadata": {}}, MERGE)
    other = {"metadata": {"labels": {"tier": "other"}}}
    refused = await admin.refusal("PATCH", path, 409, json=other, headers=MERGE)
    assert "is not edited" in refused["message"]
    await admin.http.delete(path)
