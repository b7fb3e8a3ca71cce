"""Who may do what: the table of roles, row by row."""

import pytest

from domain.access import EVERYWHERE, READING, Action, Grant, Role, Verb, may, permitted

ADMIN, EDITOR, VIEWER = Role.ADMIN, Role.EDITOR, Role.VIEWER
WRITING = frozenset(Verb) - READING


@pytest.mark.parametrize(
    ("kind", "subresource", "readers", "writers"),
    [
        ("VirtualServer", "", {ADMIN, EDITOR, VIEWER}, {ADMIN, EDITOR}),
        ("VirtualServer", "status", {ADMIN, EDITOR, VIEWER}, {ADMIN, EDITOR}),
        ("VirtualServer", "log", {ADMIN, EDITOR, VIEWER}, {ADMIN, EDITOR}),
        ("VirtualServer", "start", {ADMIN, EDITOR}, {ADMIN, EDITOR}),
        ("VirtualServer", "stop", {ADMIN, EDITOR}, {ADMIN, EDITOR}),
        ("VirtualServer", "console", {ADMIN, EDITOR}, {ADMIN, EDITOR}),
        ("VirtualServer", "portforward", {ADMIN, EDITOR}, {ADMIN, EDITOR}),
        ("ConfigMap", "", {ADMIN, EDITOR, VIEWER}, {ADMIN, EDITOR}),
        ("Secret", "", {ADMIN, EDITOR}, {ADMIN, EDITOR}),
        ("ResourceQuota", "", {ADMIN, EDITOR, VIEWER}, {ADMIN}),
        ("Account", "", {ADMIN}, {ADMIN}),
    ],
)
def test_a_role_allows_what_the_table_says(kind: str, subresource: str, readers: set[Role], writers: set[Role]) -> None:
    for verbs, allowed in ((READING, readers), (WRITING, writers)):
        for verb in verbs:
            assert {role for role in Role if may(role, verb, kind, subresource)} == allowed, verb


def test_a_role_holds_where_it_was_given() -> None:
    grants = [Grant(namespace="team-a", role=EDITOR), Grant(namespace="team-b", role=VIEWER)]
    create = Action(verb=Verb.CREATE, kind="ConfigMap", namespace="team-a")
    assert permitted(grants, create)
    assert not permitted(grants, create.model_copy(update={"namespace": "team-b"}))
    assert not permitted(grants, create.model_copy(update={"namespace": "team-c"}))
    assert permitted(grants, Action(verb=Verb.GET, kind="ConfigMap", namespace="team-b"))
    assert not permitted([], create)


def test_everything_at_once_needs_a_role_everywhere() -> None:
    everything = Action(verb=Verb.LIST, kind="ConfigMap")
    assert not permitted([Grant(namespace="team-a", role=ADMIN)], everything)
    assert permitted([Grant(namespace=EVERYWHERE, role=VIEWER)], everything)


@pytest.mark.parametrize("kind", ["StorageClass", "Zone", "Hypervisor", "Namespace"])
def test_kinds_without_a_namespace_need_a_role_everywhere(kind: str) -> None:
    look = Action(verb=Verb.LIST, kind=kind, namespaced=False)
    change = Action(verb=Verb.CREATE, kind=kind, namespaced=False)
    assert not permitted([Grant(namespace="team-a", role=ADMIN)], look)
    assert permitted([Grant(namespace=EVERYWHERE, role=VIEWER)], look)
    assert not permitted([Grant(namespace=EVERYWHERE, role=VIEWER)], change)
    assert not permitted([Grant(namespace=EVERYWHERE, role=EDITOR)], change), "what teams share is an admin's"
    assert permitted([Grant(namespace=EVERYWHERE, role=ADMIN)], change)


def test_a_role_in_a_namespace_sees_that_namespace_and_does_not_change_it() -> None:
    grants = [Grant(namespace="team-a", role=ADMIN)]
    own = Action(verb=Verb.GET, kind="Namespace", name="team-a", namespaced=False)
    assert permitted(grants, own)
    assert not permitted(grants, own.model_copy(update={"name": "team-b"}))
    assert not permitted(grants, own.model_copy(update={"verb": Verb.DELETE}))
    assert not permitted(grants, Action(verb=Verb.GET, kind="Zone", name="team-a", namespaced=False))
