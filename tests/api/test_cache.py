"""What a gateway knows of a kind, and how it learns: listings, own writes, and what arrives late."""

from typing import Any

import pytest

from api.cache import EVERYTHING, Cache, Change, Fed, Happened, Key, Row, Scope


def fed(name: str, version: int, *, uid: str = "", run: str = "", namespace: str = "a", **content: Any) -> Fed:
    uid = uid or f"uid-{name}"
    document = {"metadata": {"name": name, "namespace": namespace, "uid": uid}, **content}
    row = Row(Key(namespace, name), run or f"run-{uid}", f"{version}".encode())
    return Fed(row, uid, version, document)


def listing(cache: Cache, *found: Fed, began: float, now: float | None = None, scope: Scope = EVERYTHING) -> None:
    read = [each for each in found if cache.news(each.row)]
    cache.merge(scope, [each.row for each in found], read, began, now or began)


def happened(cache: Cache, since: int = 0) -> list[tuple[str, str]]:
    changes = cache.since(since)
    assert changes is not None
    return [(change.happened.value, change.key.name) for change in changes]


def test_listings_tell_what_came_changed_and_went() -> None:
    cache = Cache()
    listing(cache, fed("x", 1, n=1), began=1)
    listing(cache, fed("x", 2, n=2), fed("y", 1), began=2)
    listing(cache, fed("y", 1), began=3)
    assert happened(cache) == [("ADDED", "x"), ("MODIFIED", "x"), ("ADDED", "y"), ("DELETED", "x")]


def test_an_object_that_is_the_same_is_not_read_again() -> None:
    cache = Cache()
    listing(cache, fed("x", 1), began=1)
    assert not cache.news(fed("x", 1).row)
    assert cache.news(fed("x", 2).row)


def test_a_new_object_of_the_same_name_is_another_one() -> None:
    cache = Cache()
    listing(cache, fed("x", 5, uid="old"), began=1)
    listing(cache, fed("x", 2, uid="new"), began=2)
    assert happened(cache) == [("ADDED", "x"), ("DELETED", "x"), ("ADDED", "x")]


def test_an_own_write_is_not_undone_by_a_list_that_lags_behind() -> None:
    cache = Cache()
    listing(cache, fed("x", 1, n=1), began=1)
    cache.put(fed("x", 2, n=2), 5)
    listing(cache, fed("x", 1, n=1), began=6)
    assert cache.documents()[0]["n"] == 2


def test_what_was_created_since_a_listing_began_is_not_missed_by_it() -> None:
    cache = Cache()
    cache.put(fed("x", 1), 5)
    listing(cache, began=4, now=6)
    assert [each["metadata"]["name"] for each in cache.documents()] == ["x"]
    listing(cache, began=7)
    assert cache.documents() == []


def test_what_is_gone_is_not_believed_to_be_listed() -> None:
    cache = Cache()
    cache.put(fed("x", 1), 1)
    cache.drop(Key("a", "x"), "run-uid-x", 2)
    listing(cache, fed("x", 1), began=3)
    assert cache.documents() == []
    listing(cache, began=100, now=100)
    listing(cache, fed("x", 1), began=101)
    assert len(cache.documents()) == 1  # by then it is no echo any more


def test_an_object_that_was_created_anew_is_not_dropped_for_its_forerunner() -> None:
    cache = Cache()
    cache.put(fed("x", 9, uid="new"), 2)
    cache.drop(Key("a", "x"), "run-old", 3)
    assert len(cache.documents()) == 1


def test_stamps_rise_whatever_the_clock_does_and_exceed_the_version_they_bring() -> None:
    cache = Cache()
    cache.put(fed("x", 7_000_000), 5)
    cache.put(fed("y", 1), 4)
    changes = list(cache.since(0) or [])
    assert changes[0].stamp == 7_000_001
    assert changes[1].stamp > changes[0].stamp
    assert happened(cache, since=7_000_000) == [("ADDED", "x"), ("ADDED", "y")]


def test_a_listing_of_a_part_says_nothing_about_the_rest() -> None:
    cache = Cache()
    listing(cache, fed("x", 1), fed("y", 1, namespace="b"), began=1)
    listing(cache, began=2, scope=Scope("a"))
    assert [each["metadata"]["name"] for each in cache.documents()] == ["y"]


def test_a_watch_goes_on_only_from_where_its_part_is_known() -> None:
    cache = Cache()
    assert not cache.watched_from(EVERYTHING, 0)
    listing(cache, began=10, scope=Scope("a"))
    assert cache.watched_from(Scope("a"), cache.stamp)
    assert cache.watched_from(Scope("a", "x"), cache.stamp)
    assert not cache.watched_from(EVERYTHING, cache.stamp)
    assert not cache.watched_from(Scope("a"), 1)
    assert not cache.watched_from(Scope("a"), cache.stamp + 1)


def test_what_is_forgotten_is_expired() -> None:
    cache = Cache(limit=10)
    listing(cache, began=0.000001)
    for number in range(30):
        cache.put(fed("x", number + 1, n=number), number)
    assert cache.since(1) is None
    assert cache.since(cache.latest) is not None
    assert len(list(cache.since(cache.latest - 1) or [])) == 1


def test_what_is_remembered_is_bounded_in_bytes_as_well() -> None:
    cache = Cache(limit=1000, most=10)
    for version in range(10_000, 10_040):
        cache.put(fed("x", version, n=version), version)
        assert sum(change.size for change in cache._log) <= 20 + 5
    assert cache.since(0) is None
    assert happened(cache, cache.latest - 1) == [("MODIFIED", "x")]


def test_one_change_is_remembered_however_large_it_is() -> None:
    cache = Cache(most=1)
    for version in (1, 2, 3):
        cache.put(fed("x", version, n=version), version)
    assert happened(cache, cache.latest - 1) == [("MODIFIED", "x")]


def test_where_parts_begin_is_remembered_for_many_and_not_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.cache.SCOPES_LIMIT", 3)
    cache = Cache()
    listing(cache, began=1)
    for name in "bcde":
        listing(cache, began=2, scope=Scope(name))
    assert cache.watched_from(EVERYTHING, cache.stamp)


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        (EVERYTHING, True),
        (Scope("a"), True),
        (Scope("b"), False),
        (Scope("a", "web.1f"), True),
        (Scope("a", "web"), False),
        (Scope(about="web"), True),
        (Scope("a", about="db"), False),
    ],
)
def test_a_scope_holds_what_is_in_it(scope: Scope, held: bool) -> None:  # noqa: FBT001 - a row of a table
    assert scope.holds(Key("a", "web.1f")) is held


def test_a_change_says_what_was_and_what_is() -> None:
    cache = Cache()
    cache.put(fed("x", 1, n=1), 1)
    cache.put(fed("x", 2, n=2), 2)
    change = list(cache.since(0) or [])[1]
    assert isinstance(change, Change)
    assert change.before is not None
    assert (change.happened, change.before["n"], change.after["n"]) == (Happened.MODIFIED, 1, 2)
