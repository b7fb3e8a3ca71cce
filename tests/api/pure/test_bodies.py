"""Bodies are read so that none does harm."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bodies import DEPTH_LIMIT, NODES_LIMIT, Body, examined, read_json, read_yaml
from api.refusals import Refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_what_is_written_as_json_is_read_as_it_was(value: object) -> None:
    raw = json.dumps(value).encode()
    assert read_json(raw) == Body(value)


@given(st.dictionaries(st.text("abc", min_size=1), JSON, max_size=4))
def test_json_is_yaml(value: dict[str, object]) -> None:
    assert read_yaml(json.dumps(value).encode()) == Body(value)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"{", "json parse error"),
        (b"", "json parse error"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": ' + b"9" * 5000 + b"}", "more than 64 bits"),
        (b'{"a": 18446744073709551616}', "more than 64 bits"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\\ud800"}', "half a surrogate pair"),
        (b'{"\\udc00": 1}', "half a surrogate pair"),
        (b"[" * 100_000 + b"]" * 100_000, "nests deeper"),
        (b'{"a":' * (DEPTH_LIMIT + 1) + b"1" + b"}" * (DEPTH_LIMIT + 1), "nests deeper"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_harmful_json_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(Refusal, match=why) as refused:
        read_json(raw)
    assert refused.value.code == 400


def test_as_deep_as_it_may_be_is_read_and_no_deeper() -> None:
    raw = b"[" * DEPTH_LIMIT + b"1" + b"]" * DEPTH_LIMIT
    assert read_json(raw).value
    with pytest.raises(Refusal, match="nests deeper"):
        read_json(b"[" + raw + b"]")


def test_what_came_in_parts_is_examined_as_a_body_is() -> None:
    whole = read_json(b"[" * DEPTH_LIMIT + b"1" + b"]" * DEPTH_LIMIT).value
    assert examined(whole) == Body(whole)
    with pytest.raises(Refusal, match="nests deeper"):
        examined([whole])


def test_json_that_is_too_deep_is_not_tried_as_yaml() -> None:
    with pytest.raises(Refusal, match="nests deeper"):
        read_yaml(b"[" * 5000 + b"]" * 5000)


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (new, new, b",".join([b"*%c" % old] * 9))
    for old, new in zip(b"abcdefgh", b"bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (BOMB, "aliases are not accepted"),
        (b"a: &x 1\nb: *x", "aliases are not accepted"),
        (b"a: {<<: {b: 1}}", "a YAML key is a text"),
        (b"{a: " * 2000 + b"1" + b"}" * 2000, "nests deeper"),
        (b"a:\n" + b"".join(b" " * depth + b"- \n" for depth in range(300)), "nests deeper|parse error"),
        (b"a: !!python/object/apply:os.system [ls]", "tag"),
        (b"a: !!binary eA==", "tag"),
        (b"? [1]\n: 2", "a YAML key is a text"),
        (b"a: 1\n---\nb: 2", "yaml parse error"),
        (b"a: .nan", "no JSON number"),
        (b"a: 99999999999999999999999", "more than 64 bits"),
        (b"a: 0x" + b"f" * 40, "more than 64 bits"),
        (b"a: 0b" + b"1" * 160, "more than 64 bits"),
        (b"a: 0" + b"7" * 60, "more than 64 bits"),
        (b"a: -0x8000000000000001", "more than 64 bits"),
        (b"a: b: c", "yaml parse error in line 1"),
        (b"a: \x00", "yaml parse error"),
        (b'a: "\xff"', "not UTF-8"),
        (b"{not: [json", "yaml parse error"),
        (b"- a\n" * (NODES_LIMIT + 1), "at most"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_harmful_yaml_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(Refusal, match=why) as refused:
        read_yaml(raw)
    assert refused.value.code == 400


@pytest.mark.parametrize("reading", [read_json, read_yaml])
def test_a_body_that_is_too_large_is_not_even_parsed(reading: object) -> None:
    assert callable(reading)
    with pytest.raises(Refusal) as refused:
        reading(b"x" * 101, limit=100)
    assert (refused.value.code, refused.value.reason) == (413, "RequestEntityTooLarge")


def test_keys_that_are_there_twice_are_told_of_by_their_path_and_the_last_one_counts() -> None:
    body = read_json(b'{"a": 1, "a": 2, "b": [{"c": {"d": 1, "d": 1, "d": 3}}]}')
    assert body.value == {"a": 2, "b": [{"c": {"d": 3}}]}
    assert body.duplicates == ("a", "b[0].c.d")


def test_keys_of_yaml_may_be_there_twice_too() -> None:
    body = read_yaml(b"a: 1\na: 2\nb: {c: 1, c: 2}")
    assert body.value == {"a": 2, "b": {"c": 2}}
    assert body.duplicates == ("a", "b.c")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-03-21", "2024-03-21"),
        ("2024-03-21T08:26:59Z", "2024-03-21T08:26:59Z"),
        ("1:30", "1:30"),
        ("0x10", 16),
        ("010", 8),
        ("-010", -8),
        ("0b11", 3),
        ("0xffffffffffffffff", 2**64 - 1),
        ("!!int ''", ""),
        ("!!int '+'", "+"),
        ("089", "089"),
        ("1_000", 1000),
        ("-5", -5),
        ("1.5", 1.5),
        ("1_0.5", 10.5),
        ("190:20:30.15", "190:20:30.15"),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("", None),
        ('"yes"', "yes"),
        ("text", "text"),
        ("=", "="),
    ],
)
def test_scalars_of_yaml_become_what_kubernetes_makes_of_them(text: str, value: object) -> None:
    assert read_yaml(f"a: {text}".encode()).value == {"a": value}


def test_keys_of_yaml_are_texts() -> None:
    assert read_yaml(b"1: a\ntrue: b\nnull: c").value == {"1": "a", "true": "b", "null": "c"}


def test_an_empty_yaml_is_nothing() -> None:
    assert read_yaml(b"# nothing").value is None


def test_flow_style_yaml_that_is_no_json_is_read() -> None:
    assert read_yaml(b"{a: 1}").value == {"a": 1}


def code_of(raw: bytes) -> int:
    try:
        read_yaml(raw)
    except Refusal as refusal:
        return int(refusal.code)
    return 200


@given(st.binary(max_size=200) | st.text("{}[]:,&*!? -\n\"'ab01", max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    assert code_of(raw) in {200, 400}
