"""Dry runs: refused with the very Status the real write is refused with, and nothing written."""

import uuid
from typing import Any

import pytest
from temporalio.client import Client

from api.rehearsing import rehearse_edit
from domain.problem import Problem
from runtime.objects import Objects
from runtime.sealing import Keyring
from tests.api.talking import PROJECT, Json, Talker, config_map, machine, machines, maps

DRY = {"dryRun": "All"}
MERGE = {"Content-Type": "application/merge-patch+json"}
LARGE = [{"note": "x" * 600_000}]
"""What makes a small kind's object too large, in metadata that is kept as it was written."""


async def refused_alike(admin: Talker, method: str, path: str, code: int, **request: Any) -> Json:
    """Return the Status with which a request is refused, dry and then in earnest."""
    query = request.pop("params", {})
    tried = await admin.refusal(method, path, code, params={**query, **DRY}, **request)
    assert tried == await admin.refusal(method, path, code, params=query, **request)
    return tried


def secrets(namespace: str, name: str = "") -> str:
    return maps(namespace, name).replace("configmaps", "secrets")


def secret(**more: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "MQ=="}, **more}


async def test_what_is_immutable_stays(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), {**config_map(), "immutable": True})
    status = await refused_alike(admin, "PUT", maps(namespace, "settings"), 422, json=config_map(data={"a": "2"}))
    assert [each["field"] for each in status["details"]["causes"]] == ["immutable", "data"]


async def test_what_a_vm_keeps_for_life_stays(admin: Talker, namespace: str) -> None:
    await admin.create(machines(namespace), machine())
    change = {"spec": {"runStrategy": "Halted", "storage": {"root": {"pvc": {"size": "1Gi"}}}}}
    status = await refused_alike(admin, "PATCH", machines(namespace, "web"), 422, json=change, headers=MERGE)
    told = [each["field"] for each in status["details"]["causes"]]
    assert told == ["spec.runStrategy", "spec.storage.root.pvc.size"]


async def test_what_is_not_edited_stays(admin: Talker) -> None:
    name = f"z{uuid.uuid4().hex[:8]}"
    zone = {"apiVersion": "vmflow.dev/v1alpha1", "kind": "Zone", "metadata": {"name": name}}
    await admin.create(f"{PROJECT}/zones", zone)
    other = {"metadata": {"labels": {"tier": "other"}}}
    status = await refused_alike(admin, "PATCH", f"{PROJECT}/zones/{name}", 409, json=other, headers=MERGE)
    assert "is not edited" in status["message"]
    await admin.http.delete(f"{PROJECT}/zones/{name}")


async def test_what_is_too_large_is_neither_created_nor_edited(admin: Talker, namespace: str) -> None:
    large = machine()
    large["metadata"]["ownerReferences"] = LARGE
    status = await refused_alike(admin, "POST", machines(namespace), 422, json=large)
    assert "are possible" in status["message"]
    await admin.create(machines(namespace), machine())
    await refused_alike(admin, "PUT", machines(namespace, "web"), 422, json=large)


async def test_a_secret_keeps_its_type_and_what_is_immutable(admin: Talker, namespace: str) -> None:
    await admin.create(secrets(namespace), secret(immutable=True))
    other = secret(immutable=True, data={"a": "Mg=="}, type="example.org/other")
    status = await refused_alike(admin, "PUT", secrets(namespace, "s"), 422, json=other)
    assert status["details"]["causes"][0]["field"] == "type"
    other = secret(immutable=True, data={"a": "Mg=="})
    status = await refused_alike(admin, "PUT", secrets(namespace, "s"), 422, json=other)
    assert [each["field"] for each in status["details"]["causes"]] == ["data"]


async def test_an_immutable_secret_that_says_the_same_may_be_labelled(admin: Talker, namespace: str) -> None:
    await admin.create(secrets(namespace), secret(immutable=True))
    change = {"metadata": {"labels": {"tier": "front"}}}
    for query in (DRY, {}):
        answer = await admin.http.patch(secrets(namespace, "s"), json=change, headers=MERGE, params=query)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["metadata"]["labels"], answer.json()["data"]) == ({"tier": "front"}, {"a": "MQ=="})


async def test_a_value_that_only_looks_sealed_is_not_stored(admin: Talker, namespace: str) -> None:
    forged = secret(data={"a": f"sealed:00000000:{'A' * 40}"})
    await refused_alike(admin, "POST", secrets(namespace), 422, json=forged)
    await admin.create(secrets(namespace), secret())
    await refused_alike(admin, "PUT", secrets(namespace, "s"), 422, json=forged)


@pytest.mark.parametrize("path", ["/api/v1/namespaces/default", "/api/v1/namespaces"])
async def test_the_default_namespace_is_not_even_tried_to_be_deleted(admin: Talker, path: str) -> None:
    query = {"fieldSelector": "metadata.name=default"}
    assert (await refused_alike(admin, "DELETE", path, 403, params=query))["reason"] == "Forbidden"


@pytest.mark.parametrize("document", [machine(), config_map()], ids=["VM", "object"])
def test_what_is_being_deleted_is_not_edited(
    client: Client, keyring: Keyring, document: Json, request: pytest.FixtureRequest
) -> None:
    ends = {**document, "metadata": {**document["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    what = request.node.callspec.id
    with pytest.raises(Problem, match=f"too late: the {what} is being deleted") as refused:
        rehearse_edit(Objects(client, keyring), ends, document)
    assert refused.value.reason == "Conflict"
