"""Paths and methods taken apart."""

import pytest

from api.addressing import Address, PathError, address, segments, verb

MACHINES = "apis/tensorstack.dev/v1beta1"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/api", None),
        ("/api/v1", None),
        ("/apis/vmflow.dev/v1alpha1", None),
        ("/version", None),
        ("/api/v1/namespaces", Address("v1", "namespaces")),
        ("/api/v1/namespaces/team", Address("v1", "namespaces", "team", "team")),
        ("/api/v1/namespaces/team/status", Address("v1", "namespaces", "team", "team", "status")),
        ("/api/v1/namespaces/team/secrets", Address("v1", "secrets", "team")),
        ("/api/v1/namespaces/team/secrets/a", Address("v1", "secrets", "team", "a")),
        ("/api/v1/secrets", Address("v1", "secrets")),
        (f"/{MACHINES}/virtualservers", Address("tensorstack.dev/v1beta1", "virtualservers")),
        (
            f"/{MACHINES}/namespaces/team/virtualservers/web/portforward/22/tcp",
            Address("tensorstack.dev/v1beta1", "virtualservers", "team", "web", "portforward", ("22", "tcp")),
        ),
        ("/apis/vmflow.dev/v1alpha1/zones/local/", Address("vmflow.dev/v1alpha1", "zones", "", "local")),
    ],
)
def test_a_path_names_a_resource(path: str, found: Address | None) -> None:
    assert address(segments(path.encode())) == found


@pytest.mark.parametrize(
    "path", ["//a", "/a//b", "/./a", "/a/..", "/a%2fb", "/%2e%2e", "/a%00", "/%", "/%zz", "/%ff", "/a%5cb"]
)
def test_a_path_that_could_mean_something_else_is_none(path: str) -> None:
    with pytest.raises(PathError):
        segments(path.encode())


def test_a_segment_is_decoded_once() -> None:
    assert segments(b"/a%2520b/%41") == ["a%20b", "A"]


@pytest.mark.parametrize(
    ("method", "name", "watch", "word"),
    [
        ("GET", "", False, "list"),
        ("GET", "", True, "watch"),
        ("GET", "a", True, "get"),
        ("HEAD", "a", False, "get"),
        ("POST", "", False, "create"),
        ("PUT", "a", False, "update"),
        ("PATCH", "a", False, "patch"),
        ("DELETE", "a", False, "delete"),
        ("DELETE", "", False, "deletecollection"),
        ("POST", "a", False, ""),
        ("PUT", "", False, ""),
        ("PATCH", "", False, ""),
        ("TRACE", "a", False, ""),
    ],
)
def test_a_method_is_a_verb(method: str, name: str, watch: bool, word: str) -> None:  # noqa: FBT001 - a row
    assert verb(method, Address("v1", "secrets", "team", name), watch=watch) == word


def test_a_part_of_an_object_is_written_by_post_as_well() -> None:
    part = Address("v1", "secrets", "team", "a", "start")
    assert verb("POST", part, watch=False) == "create"
