"""Names: what may be called how, and how a domain and a guest are called."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.names import check_label, check_name, domain_name, hostname

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?"
names = st.from_regex(rf"{LABEL}(?:\.{LABEL}){{0,3}}", fullmatch=True)

HOSTILE = [
    "",
    "../etc",
    "a/b",
    "a\0b",
    "web\n",
    "-web",
    "web-",
    ".web",
    "web.",
    "a..b",
    "Web",
    "wéb",
    "web\u202e",
    "a b",
    "a_b",
]


@given(names)
def test_a_dns_name_is_a_name(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", [*HOSTILE, "a" * 254, "x" * 300])
def test_anything_else_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(ValueError, match=r"a name has at most 253 lower-case letters, digits, '-' and '\.'"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "team-1", "a" * 63])
def test_a_namespace_is_a_single_label(name: str) -> None:
    assert check_label(name) == name


@pytest.mark.parametrize("name", [*HOSTILE, "a.b", "a" * 64])
def test_any_other_namespace_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(ValueError, match="a namespace has at most 63 lower-case letters, digits and '-'"):
        check_label(name)


@given(names, st.uuids().map(str))
def test_a_domain_is_called_as_the_documentation_says(name: str, uid: str) -> None:
    assert re.fullmatch(r"managed-virtualserver-[bcdfghjklmnpqrstvwxz2456789]{5}", domain_name(name, uid))


@given(names, st.uuids(), st.uuids())
def test_the_domains_name_depends_on_name_and_uid_and_nothing_else(name: str, one: object, other: object) -> None:
    assert domain_name(name, str(one)) == domain_name(name, str(one))
    assert (domain_name(name, str(one), length=20) == domain_name(name, str(other), length=20)) is (one == other)


def test_a_longer_suffix_begins_with_the_shorter() -> None:
    assert domain_name("web", "u", length=8).startswith(domain_name("web", "u"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("web", "web"), ("web.example.org", "web"), ("a" * 80, "a" * 63), ("a" * 62 + "-bc", "a" * 62)],
)
def test_a_guest_is_called_by_the_first_label(name: str, expected: str) -> None:
    assert hostname(name) == expected


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,250}[a-z0-9])?", fullmatch=True))
def test_a_hostname_is_always_a_label(name: str) -> None:
    assert check_label(hostname(name)) == hostname(name)
