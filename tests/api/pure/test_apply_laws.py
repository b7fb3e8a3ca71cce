"""The laws of server-side apply, for any configuration."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from api.patching.apply import applied
from api.patching.fields import Fields, difference, fields_of, merged, told, tree, untree
from api.patching.managers import Writer, content, record
from api.patching.shape import shape_of
from api.refusals import Refusal
from tests.api.pure.kinds import resource

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SERVICE = resource("Service")
SHAPE = shape_of(SERVICE)

Document = dict[str, Any]


def services(names: str = "abcdef", numbers: tuple[int, int] = (1, 6)) -> st.SearchStrategy[Document]:
    """Return configurations of a Service with maps, a list with keys, an atomic map and an atomic list."""
    words = st.dictionaries(st.sampled_from(names), st.sampled_from("xyz"), max_size=3)
    port = st.fixed_dictionaries(
        {"port": st.integers(*numbers)},
        optional={
            "protocol": st.sampled_from(["TCP", "UDP"]),
            "name": st.sampled_from("xyz"),
            "targetPort": st.integers(1, 3),
        },
    )
    ports = st.lists(port, max_size=4, unique_by=lambda each: (each["port"], each.get("protocol", "TCP")))
    spec = st.fixed_dictionaries({}, optional={"ports": ports})
    metadata = st.fixed_dictionaries({"name": st.just("web")}, optional={"labels": words, "annotations": words})
    return st.fixed_dictionaries(
        {"apiVersion": st.just("v1"), "kind": st.just("Service"), "metadata": metadata, "spec": spec}
    )


def apply(live: Document | None, config: Document, manager: str, *, force: bool = False) -> Document:
    return applied(SERVICE, live, config, Writer(manager, "v1", NOW), force=force)


def same(one: Document, other: Document) -> bool:
    """Tell whether two documents say the same; the order of a list with keys says nothing."""
    return difference(content(one), content(other), SHAPE).empty


def refused(live: Document, config: Document, manager: str) -> bool:
    try:
        apply(live, config, manager)
    except Refusal:
        return True
    return False


@given(services(), services())
def test_apply_twice_is_apply_once(before: Document, config: Document) -> None:
    once = apply(apply(None, before, "ann"), config, "bob", force=True)
    assert apply(once, config, "bob") == once


@given(services())
def test_what_is_applied_first_is_what_is_there(config: Document) -> None:
    assert same(apply(None, config, "ann"), config)


@given(services(), services())
def test_the_only_manager_decides_everything(first: Document, second: Document) -> None:
    assert same(apply(apply(None, first, "ann"), second, "ann"), apply(None, second, "ann"))


@given(services("abc", (1, 3)), services("def", (4, 6)))
def test_disjoint_managers_never_conflict_in_either_order(one: Document, other: Document) -> None:
    forward = apply(apply(None, one, "ann"), other, "bob")
    backward = apply(apply(None, other, "bob"), one, "ann")
    assert same(forward, backward)
    assert forward["metadata"].get("managedFields") == backward["metadata"].get("managedFields")


@given(services("abc", (1, 3)), services("def", (4, 6)), services("abc", (1, 3)))
def test_nobody_disturbs_a_disjoint_manager(one: Document, other: Document, later: Document) -> None:
    live = apply(apply(apply(None, one, "ann"), other, "bob"), later, "ann")
    assert same(apply(live, other, "bob"), live)


@given(services(), services())
def test_by_force_everything_said_is_so(before: Document, config: Document) -> None:
    live = apply(apply(None, before, "ann"), config, "bob", force=True)
    assert same(merged(content(live), content(config), SHAPE), live)


@given(services(), services())
def test_without_force_the_other_loses_nothing(before: Document, config: Document) -> None:
    live = apply(None, before, "ann")
    assume(not refused(live, config, "bob"))
    after = apply(live, config, "bob")
    assert same(apply(after, before, "ann"), after)


@given(services(), services())
def test_an_apply_is_refused_exactly_when_it_would_take_something(before: Document, config: Document) -> None:
    live = apply(None, before, "ann")
    forced = apply(live, config, "bob", force=True)
    assert refused(live, config, "bob") is not same(merged(content(forced), content(before), SHAPE), forced)


@given(services(), services())
def test_after_an_update_applying_again_restores_what_was_applied(config: Document, edit: Document) -> None:
    live = apply(None, config, "ann")
    edited = record(SERVICE, live, edit, Writer("kubectl-edit", "v1", NOW))
    restored = apply(edited, config, "ann", force=True)
    assert same(merged(content(restored), content(config), SHAPE), restored)


@given(services(), services())
def test_the_difference_one_way_is_the_reverse_of_the_other(one: Document, other: Document) -> None:
    forth, back = difference(one, other, SHAPE), difference(other, one, SHAPE)
    assert (forth.added, forth.removed, forth.modified) == (back.removed, back.added, back.modified)
    assert difference(one, one, SHAPE).empty


def test_a_value_of_another_type_is_another_value() -> None:
    changes = difference({"spec": {"ports": [{"port": 1}]}}, {"spec": "text"}, SHAPE)
    assert changes.modified == {("f:spec",)}
    assert ("f:spec", "f:ports") in changes.removed


def test_paths_are_told_as_kubernetes_tells_them() -> None:
    path = ("f:spec", 'k:{"port":80,"protocol":"TCP"}', 'v:"x"', "i:2", "f:name")
    assert told(path) == '.spec[port=80,protocol="TCP"][="x"][2].name'


ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"port":80}', 'v:"x"'])


@given(st.frozensets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=8))
def test_a_set_of_fields_survives_its_encoding(fields: Fields) -> None:
    assert frozenset(untree(tree(fields))) == fields


@given(services())
def test_a_document_has_the_fields_it_says(config: Document) -> None:
    fields = fields_of(content(config), SHAPE)
    assert all(path[0] in {"f:metadata", "f:spec"} for path in fields)
    for name in config["metadata"].get("labels") or {}:
        assert ("f:metadata", "f:labels", f"f:{name}") in fields
