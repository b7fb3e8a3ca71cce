"""Patches of the three types."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.media import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from api.patching.json_patch import OPERATIONS_LIMIT
from api.patching.merge import merge
from api.patching.patches import patched
from api.patching.shape import shape_of
from api.patching.strategic import strategic_merge
from api.refusals import Refusal
from tests.api.pure.kinds import config_map, resource, service, virtual_server

VM, CONFIG_MAP, SERVICE = resource("VirtualServer"), resource("ConfigMap"), resource("Service")


@pytest.mark.parametrize(
    ("live", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_are_those_of_rfc_7386(live: Any, patch: Any, result: Any) -> None:
    assert merge(live, patch) == result


VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from("abc"), VALUES), st.dictionaries(st.sampled_from("abc"), VALUES))
def test_a_merge_patch_twice_is_a_merge_patch_once(live: Any, patch: Any) -> None:
    once = merge(live, patch)
    assert merge(once, patch) == once


@pytest.mark.parametrize(
    ("operations", "code", "message"),
    [
        ([{"op": "test", "path": "/data/a", "value": "no"}], 422, "testing path /data/a failed"),
        ([{"op": "test", "path": "/data/none", "value": "no"}], 422, ""),
        ([{"op": "remove", "path": "/data/none"}], 422, "remove operation does not apply: path /data/none"),
        ([{"op": "replace", "path": "/data/none/deeper", "value": 1}], 422, "replace operation does not apply"),
        ([{"op": "add", "path": "/data/x/y/z", "value": 1}], 422, "add operation does not apply"),
        ([{"op": "explode", "path": "/data"}], 400, "error decoding patch"),
        ([{"op": "add", "path": "/data"}], 400, "error decoding patch"),
        ([{"path": "/data"}], 400, "error decoding patch"),
        ([{"op": "add", "path": "data", "value": 1}], 422, ""),
        ([{"op": ["add"], "path": "/data", "value": 1}], 400, ""),
        ([{"op": "add", "path": 5, "value": 1}], 400, ""),
        ([{"op": "copy", "path": "/data/b", "from": "/none"}], 422, ""),
        ([{"op": "copy", "path": "/data/b", "from": 5}], 422, ""),
        ([{"op": "move", "path": "/data/b"}], 400, ""),
        ([{"op": "remove", "path": "/metadata"}], 400, "what is left is no object"),
        ([{"op": "replace", "path": "", "value": 5}], 400, "what is left is no object"),
        ([{"op": "add", "path": "/metadata/x~2y", "value": 1}], 422, ""),
        ({"data": {}}, 400, "a JSON patch is a list"),
        (["add"], 400, "a JSON patch is a list"),
        (
            [{"op": "add", "path": "/data/a", "value": 1}] * (OPERATIONS_LIMIT + 1),
            413,
            "The allowed maximum operations",
        ),
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(operations: Any, code: int, message: str) -> None:
    live = config_map({"a": "1"})
    with pytest.raises(Refusal) as refused:
        patched(CONFIG_MAP, live, JSON_PATCH, operations)
    assert refused.value.code == code
    assert message in refused.value.message
    assert live == config_map({"a": "1"})


def test_a_json_patch_is_applied_in_order() -> None:
    operations = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "2"},
        {"op": "copy", "path": "/data/b", "from": "/data/a"},
        {"op": "move", "path": "/data/c", "from": "/data/b"},
        {"op": "add", "path": "/metadata/labels", "value": {"x~y": "z"}},
        {"op": "remove", "path": "/metadata/labels/x~0y"},
    ]
    result = patched(CONFIG_MAP, config_map({"a": "1"}), JSON_PATCH, operations)
    assert result == config_map({"a": "2", "c": "2"}, labels={})


def test_a_failed_test_does_not_tell_the_value() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "aHVudGVyMg=="}}
    with pytest.raises(Refusal) as refused:
        patched(resource("Secret"), secret, JSON_PATCH, [{"op": "test", "path": "/data/password", "value": "x"}])
    assert "aHVudGVyMg" not in refused.value.message


def test_copies_of_copies_do_not_fill_the_memory() -> None:
    operations = [{"op": "copy", "path": f"/data/x{each}", "from": "/data"} for each in range(60)]
    with pytest.raises(Refusal) as refused:
        patched(CONFIG_MAP, config_map({"a": "x" * 1000}), JSON_PATCH, operations)
    assert refused.value.code == 413


@pytest.mark.parametrize("content_type", [STRATEGIC_MERGE_PATCH, APPLY_PATCH, "application/json", "text/plain"])
def test_a_kind_takes_only_its_own_types_of_patch(content_type: str) -> None:
    with pytest.raises(Refusal) as refused:
        patched(VM, virtual_server(), content_type, {})
    assert refused.value.code == 415
    accepted = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    assert refused.value.message.endswith(f"accepted media types include: {accepted}")


@pytest.mark.parametrize("content_type", [MERGE_PATCH, STRATEGIC_MERGE_PATCH])
@pytest.mark.parametrize("patch", [[], None, "x", 5])
def test_a_merge_patch_is_an_object(content_type: str, patch: Any) -> None:
    with pytest.raises(Refusal) as refused:
        patched(CONFIG_MAP, config_map({}), content_type, patch)
    assert refused.value.code == 400


HTTP = {"name": "http", "port": 80, "protocol": "TCP"}
DNS = {"name": "dns", "port": 53, "protocol": "UDP"}
DNS_TCP = {"name": "dns-tcp", "port": 53, "protocol": "TCP"}


def ports_after(live: list[Any], **patch: Any) -> Any:
    result = strategic_merge(service(*live), {"spec": patch}, shape_of(SERVICE))
    return result["spec"].get("ports")


@pytest.mark.parametrize(
    ("live", "patch", "ports"),
    [
        ([HTTP], {"ports": [DNS]}, [HTTP, DNS]),
        ([HTTP], {"ports": [{"port": 80, "targetPort": 8080}]}, [{**HTTP, "targetPort": 8080}]),
        ([DNS, DNS_TCP], {"ports": [{**DNS_TCP, "targetPort": 1}]}, [DNS, {**DNS_TCP, "targetPort": 1}]),
        ([HTTP, DNS], {"ports": [{"port": 80, "$patch": "delete"}]}, [DNS]),
        ([HTTP, DNS], {"ports": [{"port": 99, "$patch": "delete"}]}, [HTTP, DNS]),
        ([HTTP, DNS], {"ports": [{"$patch": "replace"}, DNS_TCP]}, [DNS_TCP]),
        ([HTTP, DNS], {"ports": None}, None),
        ([HTTP, DNS], {"$setElementOrder/ports": [{"port": 53}, {"port": 80}]}, [DNS, HTTP]),
        (
            [HTTP],
            {"$setElementOrder/ports": [{"port": 53}, {"port": 80}], "ports": [DNS]},
            [DNS, HTTP],
        ),
    ],
)
def test_lists_are_merged_by_their_keys(live: list[Any], patch: Any, ports: Any) -> None:
    assert ports_after(live, **patch) == ports


def test_an_element_nobody_orders_stays_behind_the_one_it_was_behind() -> None:
    live = [{"port": each} for each in (1, 2, 3, 4)]
    order = [{"port": 4}, {"port": 1}]
    assert [each["port"] for each in ports_after(live, **{"$setElementOrder/ports": order})] == [4, 1, 2, 3]


@pytest.mark.parametrize(
    ("patch", "data"),
    [
        ({"data": {"a": None, "b": "2"}}, {"b": "2", "c": "3"}),
        ({"data": {"$patch": "replace", "z": "1"}}, {"z": "1"}),
        ({"data": {"$patch": "delete"}}, {}),
        ({"data": {"$patch": "merge", "a": "9"}}, {"a": "9", "c": "3"}),
        ({"data": {"$retainKeys": ["c", "d"], "d": "4"}}, {"c": "3", "d": "4"}),
    ],
)
def test_maps_are_merged_as_their_directives_say(patch: Any, data: dict[str, str]) -> None:
    live = config_map({"a": "1", "c": "3"})
    before = deepcopy(live)
    assert patched(CONFIG_MAP, live, STRATEGIC_MERGE_PATCH, patch)["data"] == data
    assert live == before


def test_lists_of_texts_are_united_where_the_kind_says_so_and_replaced_elsewhere() -> None:
    live = config_map({}, finalizers=["a", "b"])
    patch = {"metadata": {"finalizers": ["b", "c"], "$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert patched(CONFIG_MAP, live, STRATEGIC_MERGE_PATCH, patch)["metadata"]["finalizers"] == ["b", "c"]
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"scopes": ["A"]}}
    result = patched(resource("ResourceQuota"), quota, STRATEGIC_MERGE_PATCH, {"spec": {"scopes": ["B"]}})
    assert result["spec"]["scopes"] == ["B"]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"data": {"$patch": "explode"}}, "Unknown patch type: explode"),
        ({"data": {"$retainKeys": "a"}}, "$retainKeys wants a list"),
        ({"spec": {"ports": [{"name": "x"}]}}, "an element does not contain declared merge key: port"),
        ({"spec": {"ports": ["x"]}}, "an element does not contain declared merge key: port"),
    ],
)
def test_a_directive_that_makes_no_sense_is_refused(patch: Any, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        patched(SERVICE, service(HTTP) | {"data": {"a": 1}}, STRATEGIC_MERGE_PATCH, patch)
    assert refused.value.code == 400
    assert message in refused.value.message
