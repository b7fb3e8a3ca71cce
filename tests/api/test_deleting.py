"""Deletes: at once where nothing has to end first, with preconditions, and of many."""

import pytest

from tests.api.talking import Talker, config_map, machine, machines, maps


async def test_what_has_no_life_is_gone_at_once(admin: Talker, namespace: str) -> None:
    uid = (await admin.create(maps(namespace), config_map()))["metadata"]["uid"]
    answer = await admin.http.delete(maps(namespace, "settings"))
    assert answer.json()["status"] == "Success"
    assert answer.json()["details"] == {"name": "settings", "kind": "configmaps", "uid": uid}
    await admin.refusal("GET", maps(namespace, "settings"), 404)
    await admin.refusal("DELETE", maps(namespace, "settings"), 404)


async def test_what_has_a_life_is_terminating_until_it_is_over(admin: Talker, namespace: str) -> None:
    await admin.create(machines(namespace), machine())
    answer = await admin.http.delete(machines(namespace, "web"))
    assert answer.status_code == 200
    said = answer.json()
    assert said["kind"] == "Status" or said["metadata"]["deletionTimestamp"]


async def test_preconditions_hold_or_nothing_is_deleted(admin: Talker, namespace: str) -> None:
    created = (await admin.create(maps(namespace), config_map()))["metadata"]
    for wrong in ({"uid": "another"}, {"resourceVersion": "1"}):
        status = await admin.refusal("DELETE", maps(namespace, "settings"), 409, json={"preconditions": wrong})
        assert "Precondition failed" in status["message"]
    right = {"uid": created["uid"], "resourceVersion": created["resourceVersion"]}
    answer = await admin.http.request("DELETE", maps(namespace, "settings"), json={"preconditions": right})
    assert answer.status_code == 200


@pytest.mark.parametrize("policy", ["Orphan", "Background", "Foreground"])
async def test_every_propagation_policy_is_accepted(admin: Talker, namespace: str, policy: str) -> None:
    await admin.create(maps(namespace), config_map())
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy, "gracePeriodSeconds": 0}
    assert (await admin.http.request("DELETE", maps(namespace, "settings"), json=options)).status_code == 200


async def test_a_policy_nobody_knows_is_refused(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map())
    options = {"propagationPolicy": "Scorch"}
    await admin.refusal("DELETE", maps(namespace, "settings"), 422, json=options)


async def test_all_that_are_selected_are_deleted(admin: Talker, namespace: str) -> None:
    for name, tier in (("a", "front"), ("b", "back"), ("c", "front")):
        await admin.create(maps(namespace), config_map(name, labels={"tier": tier}))
    answer = await admin.http.delete(maps(namespace), params={"labelSelector": "tier=front"})
    assert [each["metadata"]["name"] for each in answer.json()["items"]] == ["a", "c"]
    assert [each["metadata"]["name"] for each in (await admin.get(maps(namespace)))["items"]] == ["b"]


async def test_one_namespace_is_cleared_and_never_all_of_them(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map())
    for query in ({}, {"labelSelector": "tier=front"}):
        status = await admin.refusal("DELETE", "/api/v1/configmaps", 405, params=query)
        assert status["reason"] == "MethodNotAllowed"
    assert len((await admin.get(maps(namespace)))["items"]) == 1


async def test_the_default_namespace_is_never_deleted(admin: Talker) -> None:
    status = await admin.refusal("DELETE", "/api/v1/namespaces/default", 403)
    assert status["reason"] == "Forbidden"


async def test_a_namespace_takes_what_is_in_it_along(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map())
    assert (await admin.http.delete(f"/api/v1/namespaces/{namespace}")).status_code == 200
    path = f"/api/v1/namespaces/{namespace}"
    watched = await admin.watch("/api/v1/namespaces", fieldSelector=f"metadata.name={namespace}", timeoutSeconds="5")
    assert watched[-1]["type"] == "DELETED"
    await admin.refusal("GET", path, 404)
    assert (await admin.get(maps(namespace)))["items"] == []
    await admin.refusal("POST", maps(namespace), 404, json=config_map())
