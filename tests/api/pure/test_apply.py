"""Server-side apply: who owns what, what goes, and what is a conflict."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.patching.apply import BEFORE_FIRST_APPLY, LAST_APPLIED, applied
from api.patching.managers import ANCIENT, UPDATERS_LIMIT, Writer, record
from api.refusals import Refusal
from api.resources import Resource
from api.validation import canonical
from manifests.base import InvalidManifestError
from tests.api.pure.kinds import config_map, resource, service, virtual_server

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
CONFIG_MAP, SERVICE, VM = resource("ConfigMap"), resource("Service"), resource("VirtualServer")


def writer(manager: str, *, later: int = 0, of: Resource = CONFIG_MAP) -> Writer:
    return Writer(manager, of.api_version, NOW + timedelta(seconds=later))


def book(document: dict[str, Any]) -> dict[str, Any]:
    entries = document["metadata"].get("managedFields", [])
    return {f"{each['manager']}/{each['operation']}": each["fieldsV1"] for each in entries}


def apply(live: Any, config: Any, manager: str, *, force: bool = False, later: int = 0) -> dict[str, Any]:
    of = resource(config["kind"])
    return applied(of, live, config, writer(manager, later=later, of=of), force=force)


def test_who_applies_first_owns_what_it_says() -> None:
    made = apply(None, config_map({"a": "1"}, labels={"x": "y"}), "ann")
    assert made["data"] == {"a": "1"}
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "ann",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2026-11-21T12:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:x": {}}}},
        }
    ]


def test_elements_of_keyed_lists_are_owned_by_their_keys_with_their_defaults() -> None:
    made = apply(None, service({"port": 80, "name": "http"}), "ann")
    element = 'k:{"port":80,"protocol":"TCP"}'
    assert book(made)["ann/Apply"] == {"f:spec": {"f:ports": {element: {".": {}, "f:name": {}, "f:port": {}}}}}


def test_sets_are_owned_member_by_member() -> None:
    live = apply(apply(None, config_map({}, finalizers=["a"]), "ann"), config_map({}, finalizers=["b"]), "bob")
    assert sorted(live["metadata"]["finalizers"]) == ["a", "b"]
    assert book(live)["bob/Apply"]["f:metadata"] == {"f:finalizers": {'v:"b"': {}}}
    left = apply(live, config_map({}), "bob")
    assert left["metadata"]["finalizers"] == ["a"]


def test_a_member_of_a_set_is_taken_by_nobody() -> None:
    live = apply(None, config_map({}, finalizers=["a"]), "ann")
    assert book(apply(live, config_map({}, finalizers=["a"]), "bob")).keys() == {"ann/Apply", "bob/Apply"}


def test_some_maps_have_one_owner_as_a_whole() -> None:
    first, second = service({"port": 80}), service({"port": 80})
    first["spec"]["selector"], second["spec"]["selector"] = {"app": "web"}, {"tier": "front"}
    live = apply(None, first, "ann")
    with pytest.raises(Refusal, match=r"\.spec\.selector"):
        apply(live, second, "bob")
    assert apply(live, second, "bob", force=True)["spec"]["selector"] == {"tier": "front"}


@pytest.mark.parametrize("ports", [[{"name": "x"}], ["x"], [{"port": 80}, {"port": 80}]])
def test_a_list_whose_elements_cannot_be_told_apart_is_owned_whole(ports: list[Any]) -> None:
    assert book(apply(None, service(*ports), "ann"))["ann/Apply"]["f:spec"] == {"f:ports": {}}


def test_true_is_not_one() -> None:
    live = apply(None, config_map({}) | {"immutable": True}, "ann")
    with pytest.raises(Refusal, match=r"\.immutable"):
        apply(live, config_map({}) | {"immutable": 1}, "bob")


def test_a_subresource_is_named_in_conflicts() -> None:
    of_status = Writer("controller", "v1", NOW, subresource="status")
    live = record(CONFIG_MAP, None, config_map({"a": "1"}), of_status)
    with pytest.raises(Refusal, match='conflict with "controller" with subresource "status" using v1'):
        apply(live, config_map({"a": "2"}), "bob")


def test_lists_nothing_is_said_about_are_owned_whole() -> None:
    made = apply(None, virtual_server(network={"tcp": [80, 443]}), "ann")
    assert book(made)["ann/Apply"]["f:spec"]["f:network"] == {"f:tcp": {}}


def test_what_somebody_says_no_more_goes() -> None:
    live = apply(None, config_map({"a": "1", "b": "2"}), "ann")
    assert apply(live, config_map({"a": "1"}), "ann")["data"] == {"a": "1"}


def test_what_somebody_else_says_too_stays() -> None:
    live = apply(apply(None, config_map({"a": "1", "b": "2"}), "ann"), config_map({"b": "2"}), "bob")
    left = apply(live, config_map({"a": "1"}), "ann")
    assert left["data"] == {"a": "1", "b": "2"}
    assert book(left)["bob/Apply"] == {"f:data": {"f:b": {}}}


def test_the_last_label_goes_and_the_name_stays() -> None:
    live = apply(None, config_map({"a": "1"}, labels={"x": "y"}), "ann")
    left = apply(live, config_map({"a": "1"}), "ann")
    assert left["metadata"].keys() == {"name", "namespace", "managedFields"}


def test_what_nobody_owns_stays() -> None:
    live = apply(None, config_map({"a": "1"}), "ann")
    live["data"]["default"] = "9"
    assert apply(live, config_map({"a": "2"}), "ann")["data"] == {"a": "2", "default": "9"}


def test_an_element_goes_whole_with_what_nobody_owns_of_it() -> None:
    live = apply(None, service({"port": 80, "name": "http"}), "ann")
    live["spec"]["ports"][0]["protocol"] = "TCP"
    changed = apply(live, service({"port": 81, "name": "http"}), "ann")
    assert changed["spec"]["ports"] == [{"port": 81, "name": "http"}]


def test_a_list_has_the_order_of_who_applied_last() -> None:
    live = apply(None, service({"port": 80}, {"port": 53, "protocol": "UDP"}), "ann")
    live["spec"]["ports"].append({"port": 9})
    changed = apply(live, service({"port": 81}, {"port": 53, "protocol": "UDP"}), "ann")
    assert [each["port"] for each in changed["spec"]["ports"]] == [81, 53, 9]


def test_what_two_say_alike_both_own() -> None:
    live = apply(apply(None, config_map({"a": "1"}), "ann"), config_map({"a": "1"}), "bob")
    assert book(live) == {"ann/Apply": {"f:data": {"f:a": {}}}, "bob/Apply": {"f:data": {"f:a": {}}}}


def test_what_another_manager_owns_and_says_otherwise_is_a_conflict() -> None:
    live = apply(None, config_map({"a": "1"}), "ann")
    with pytest.raises(Refusal) as refused:
        apply(live, config_map({"a": "2"}), "bob")
    status = refused.value.status()
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "ann": .data.a'
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "ann"', "field": ".data.a"}
    ]


def test_a_conflict_with_an_update_names_its_version_and_time() -> None:
    live = record(CONFIG_MAP, None, config_map({"a": "1"}), writer("kubectl-create"))
    with pytest.raises(Refusal) as refused:
        apply(live, config_map({"a": "2"}), "bob")
    assert refused.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-create" using v1 at 2026-11-21T12:00:00Z: .data.a'
    )


def test_several_conflicts_are_told_manager_by_manager() -> None:
    live = apply(None, service({"port": 80, "name": "http"}, labels={"a": "1"}), "ann")
    live = apply(live, service(labels={"b": "1"}), "eve")
    with pytest.raises(Refusal) as refused:
        apply(live, service({"port": 80, "name": "web"}, labels={"a": "2", "b": "2"}), "bob")
    assert refused.value.message == (
        'Apply failed with 3 conflicts: conflicts with "ann":\n'
        "- .metadata.labels.a\n"
        '- .spec.ports[port=80,protocol="TCP"].name\n'
        'conflicts with "eve":\n'
        "- .metadata.labels.b"
    )


def test_force_takes_the_field_over() -> None:
    live = apply(None, config_map({"a": "1", "b": "1"}), "ann")
    taken = apply(live, config_map({"a": "2"}), "bob", force=True)
    assert taken["data"] == {"a": "2", "b": "1"}
    assert book(taken) == {"ann/Apply": {"f:data": {"f:b": {}}}, "bob/Apply": {"f:data": {"f:a": {}}}}


def test_applying_the_same_again_changes_nothing_not_even_the_time() -> None:
    live = apply(None, config_map({"a": "1"}), "ann")
    assert apply(live, config_map({"a": "1"}), "ann", later=60) == live


def test_a_new_value_changes_the_time() -> None:
    live = apply(None, config_map({"a": "1"}), "ann")
    changed = apply(live, config_map({"a": "2"}), "ann", later=60)
    assert changed["metadata"]["managedFields"][0]["time"] == "2026-11-21T12:01:00Z"


def test_what_comes_in_is_not_changed() -> None:
    live = apply(None, config_map({"a": "1"}), "ann")
    config = config_map({"a": "2", "b": "3"})
    before = deepcopy((live, config))
    apply(live, config, "ann")
    assert (live, config) == before


def test_a_configuration_says_nothing_of_status_or_of_what_the_server_makes() -> None:
    live = apply(None, config_map({"a": "1"}), "ann") | {"status": {"is": "good"}}
    live["metadata"]["uid"] = "u1"
    config = config_map({"a": "1"}, uid="other", resourceVersion="1") | {"status": {"is": "bad"}}
    assert apply(live, config, "ann") == live


def test_nulls_say_nothing() -> None:
    made = apply(None, config_map({"a": "1"}) | {"binaryData": None}, "ann")
    assert "binaryData" not in made


def test_a_configuration_with_a_book_is_refused() -> None:
    with pytest.raises(Refusal, match=r"metadata\.managedFields must be nil"):
        apply(None, config_map({}, managedFields=[{"manager": "x"}]), "ann")


def test_an_object_without_a_book_belongs_to_somebody_before() -> None:
    live = config_map({"a": "1", "b": "1"})
    with pytest.raises(Refusal, match=f'conflict with "{BEFORE_FIRST_APPLY}"'):
        apply(live, config_map({"a": "2"}), "ann")
    taken = apply(live, config_map({"a": "2"}), "ann", force=True)
    assert taken["data"] == {"a": "2", "b": "1"}
    assert f"{BEFORE_FIRST_APPLY}/Update" in book(taken)


def client_side_applied() -> dict[str, Any]:
    config = config_map({"a": "1"})
    noted = config_map({"a": "1", "b": "1"}, annotations={LAST_APPLIED: json.dumps(config)})
    return record(CONFIG_MAP, None, noted, writer("kubectl-client-side-apply"))


def test_kubectl_takes_over_from_its_client_side_apply() -> None:
    taken = apply(client_side_applied(), config_map({"a": "2"}), "kubectl")
    assert taken["data"] == {"a": "2", "b": "1"}
    assert json.loads(taken["metadata"]["annotations"][LAST_APPLIED])["data"] == {"a": "2"}


def test_kubectl_takes_nothing_it_did_not_say_before() -> None:
    with pytest.raises(Refusal, match=r"\.data\.b"):
        apply(client_side_applied(), config_map({"b": "2"}), "kubectl")


def test_others_do_not_take_over_from_client_side_apply() -> None:
    with pytest.raises(Refusal, match=r"\.data\.a"):
        apply(client_side_applied(), config_map({"a": "2"}), "bob")


@pytest.mark.parametrize("note", ["not json", "[]", "5"])
def test_a_broken_note_of_client_side_apply_allows_nothing(note: str) -> None:
    live = record(CONFIG_MAP, None, config_map({"a": "1"}, annotations={LAST_APPLIED: note}), writer("x"))
    with pytest.raises(Refusal, match="conflict with"):
        apply(live, config_map({"a": "2"}), "kubectl")


def test_values_are_compared_as_they_are_stored() -> None:
    live = applied(VM, None, virtual_server(), writer("ann", of=VM), canonical=canonical)
    assert live["spec"]["runStrategy"] == "Always"
    config = virtual_server(resources={"memory": "1Gi", "cpu": {"cores": 1}})
    both = applied(VM, live, config, writer("bob", of=VM), canonical=canonical)
    assert both["spec"] == live["spec"]


def test_a_conflict_is_told_rather_than_what_it_makes_invalid() -> None:
    live = applied(VM, None, virtual_server(), writer("ann", of=VM), canonical=canonical)
    wrong = virtual_server(resources={"memory": "1"})
    with pytest.raises(Refusal, match=r"\.spec\.resources\.memory"):
        applied(VM, live, wrong, writer("bob", of=VM), canonical=canonical)
    with pytest.raises(InvalidManifestError, match=r"spec\.resources\.memory"):
        applied(VM, live, wrong, writer("ann", of=VM), canonical=canonical)


def test_an_update_owns_what_it_changes_and_others_lose_it() -> None:
    live = apply(None, config_map({"a": "1", "b": "1"}), "ann")
    changed = deepcopy(live)
    changed["data"] = {"a": "2", "c": "3"}
    after = record(CONFIG_MAP, live, changed, writer("kubectl-edit", later=5))
    assert book(after) == {"kubectl-edit/Update": {"f:data": {"f:a": {}, "f:c": {}}}}


def test_an_update_that_changes_nothing_leaves_the_book_alone() -> None:
    live = apply(None, config_map({"a": "1"}), "ann")
    assert record(CONFIG_MAP, live, deepcopy(live), writer("kubectl-edit", later=5)) == live


def test_what_is_created_belongs_to_who_created_it() -> None:
    made = record(CONFIG_MAP, None, config_map({"a": "1"}, labels={"x": "y"}), writer("kubectl-create"))
    assert book(made) == {
        "kubectl-create/Update": {
            "f:data": {".": {}, "f:a": {}},
            "f:metadata": {"f:labels": {".": {}, "f:x": {}}},
        }
    }


def test_a_client_that_knows_no_book_does_not_lose_it() -> None:
    live = apply(None, config_map({"a": "1"}), "ann")
    bare = config_map({"a": "1"}, labels={"x": "y"})
    assert "ann/Apply" in book(record(CONFIG_MAP, live, bare, writer("old-client")))


def test_a_client_may_mend_the_book_or_empty_it() -> None:
    live = apply(apply(None, config_map({"a": "1"}), "ann"), config_map({"a": "1"}), "bob")
    mended = deepcopy(live)
    del mended["metadata"]["managedFields"][0]
    assert book(record(CONFIG_MAP, live, mended, writer("x"))).keys() == {"bob/Apply"}
    emptied = deepcopy(live)
    emptied["metadata"]["managedFields"] = [{}]
    assert book(record(CONFIG_MAP, live, emptied, writer("x"))) == {}


@pytest.mark.parametrize(
    "entry",
    [
        {"manager": "x"},
        {"manager": "x", "operation": "Steal"},
        {"manager": "x", "operation": "Apply", "fieldsType": "FieldsV9"},
        {"manager": "x", "operation": "Apply", "fieldsV1": {"data": {}}},
        {"manager": "x", "operation": "Apply", "fieldsV1": {"f:data": 5}},
        {"manager": "x", "operation": "Apply", "fieldsV1": [1]},
        "text",
        5,
    ],
)
def test_an_unreadable_book_is_as_if_it_were_not_there(entry: Any) -> None:
    live = apply(None, config_map({"a": "1"}), "ann")
    odd = deepcopy(live)
    odd["metadata"]["managedFields"] = [entry]
    assert record(CONFIG_MAP, live, odd, writer("x")) == live


def test_many_updaters_become_one() -> None:
    live = config_map({})
    for each in range(UPDATERS_LIMIT + 5):
        changed = deepcopy(live)
        changed["data"][f"k{each}"] = "v"
        live = record(CONFIG_MAP, live, changed, writer(f"m{each:02}", later=each))
    names = {each["manager"] for each in live["metadata"]["managedFields"]}
    assert len(names) == UPDATERS_LIMIT
    assert ANCIENT in names
    owned = [field for fields in book(live).values() for field in fields["f:data"] if field != "."]
    assert sorted(owned) == sorted(f"f:k{each}" for each in range(UPDATERS_LIMIT + 5))
