"""ConfigMaps and Secrets: their keys, their sizes, what is immutable, and what a stored Secret looks like."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.base import InvalidManifestError
from manifests.configuration import DATA_LIMIT, LAST_APPLIED, Secret
from manifests.registry import KINDS, check_size, kind_called, parse
from tests.manifests.examples import Document, causes, refused
from tests.manifests.test_core_refusals import edit

SEALED = "sealed:0123abcd:" + base64.b64encode(bytes(12 + 16 + 5)).decode()


def config_map(**fields: object) -> Document:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, **fields}


def secret(**fields: object) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, **fields}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("key", ["", "a/b", "..", ".", "a b", "é", "x" * 254, "a\n"])
@pytest.mark.parametrize("make", [config_map, secret])
def test_keys_that_are_no_file_names(make: Any, key: str) -> None:
    assert "a key has at most 253" in str(refused(make(data={key: "eA=="})))


@pytest.mark.parametrize("key", ["a", ".dot", "..a", "A_b-c.d", "x" * 253])
def test_keys_that_are_file_names(key: str) -> None:
    assert causes(config_map(data={key: "x"})) == {}


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=30), max_size=4))
def test_any_text_is_a_value(data: dict[str, str]) -> None:
    assert parse(config_map(data=data)).document().get("data", {}) == data
    opened = parse(secret(stringData=data)).document().get("data", {})
    assert {key: base64.b64decode(value).decode() for key, value in opened.items()} == data


@pytest.mark.parametrize("value", [5, True, ["a"], {"a": "b"}])
def test_what_is_no_text_is_no_value(value: object) -> None:
    assert list(refused(config_map(data={"a": value}))) == ["data.a"]


@pytest.mark.parametrize("value", ["a", "a=", "====", "äöü=", "a b c d", "sealed:xyz"])
def test_what_is_no_base64_is_no_bytes(value: str) -> None:
    assert refused(config_map(binaryData={"a": value})) == {"binaryData.a": "this is not base64"}
    assert refused(secret(data={"a": value})) == {"data.a": "this is not base64"}


def test_a_key_stands_in_one_place() -> None:
    assert "keys in both data and binaryData: a" in str(refused(config_map(data={"a": "x"}, binaryData={"a": "eA=="})))


@pytest.mark.parametrize(
    ("document", "fits"),
    [
        (config_map(data={"a": "x" * DATA_LIMIT}), True),
        (config_map(data={"a": "x" * (DATA_LIMIT + 1)}), False),
        (config_map(data={"a": "ä" * (DATA_LIMIT // 2)}, binaryData={"b": "eA=="}), False),
        (secret(stringData={"a": "x" * DATA_LIMIT}), True),
        (secret(stringData={"a": "x" * (DATA_LIMIT + 1)}), False),
        (secret(data={"a": b64("x" * (DATA_LIMIT + 1))}), False),
        (secret(data={"a": "sealed:0123abcd:" + base64.b64encode(bytes(28 + DATA_LIMIT)).decode()}), True),
        (secret(data={"a": "sealed:0123abcd:" + base64.b64encode(bytes(29 + DATA_LIMIT)).decode()}), False),
    ],
    ids=range(8),
)
def test_a_mebibyte_fits_and_no_more(document: Document, *, fits: bool) -> None:
    assert (causes(document) == {}) is fits


def test_what_fits_may_be_stored() -> None:
    check_size(parse(config_map(data={"a": "x" * DATA_LIMIT})).document())
    check_size(secret(data={"a": "sealed:0123abcd:" + base64.b64encode(bytes(28 + DATA_LIMIT)).decode()}))


def test_an_answer_holds_a_page_of_the_largest() -> None:
    assert kind_called("cm").limit > DATA_LIMIT * 4 / 3
    assert all(kind.page * kind.limit <= 128 * 2**20 for kind in KINDS)


@pytest.mark.parametrize("value", ["\ud800", float("nan"), float("inf")])
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    document = config_map()
    document["metadata"]["ownerReferences"] = [{"name": value}]
    with pytest.raises(InvalidManifestError, match="JSON cannot carry it"):
        check_size(document)


def test_what_is_too_large_with_its_metadata_is_refused() -> None:
    document = config_map(data={"a": '"' * DATA_LIMIT})
    assert causes(document) == {}
    with pytest.raises(InvalidManifestError, match=r"^2097\d+ bytes with all its metadata; at most 15"):
        check_size(parse(document).document())


def test_what_is_immutable_stays_as_it_is() -> None:
    why = "field is immutable when `immutable` is set"
    fixed = config_map(data={"a": "x"}, immutable=True)
    assert edit(fixed, config_map(data={"a": "y"}, immutable=True)) == {"data": why}
    assert edit(fixed, config_map(data={"a": "x"})) == {"immutable": why}
    assert edit(fixed, config_map(binaryData={"b": ""}, data={"a": "x"}, immutable=True)) == {"binaryData": why}
    assert edit(fixed, {**fixed, "metadata": {"name": "settings", "labels": {"a": "b"}}}) == {}
    assert edit(config_map(data={"a": "x"}), fixed) == {}
    sealed = secret(data={"a": SEALED}, immutable=True)
    assert edit(sealed, secret(immutable=True)) == {"data": why}
    assert edit(sealed, sealed) == {}


def test_a_secret_keeps_its_type() -> None:
    assert edit(secret(), secret(type="Other")) == {"type": "field is immutable"}


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("kubernetes.io/tls", ("tls.crt", "tls.key")),
        ("kubernetes.io/ssh-auth", ("ssh-privatekey",)),
        ("kubernetes.io/dockerconfigjson", (".dockerconfigjson",)),
        ("kubernetes.io/dockercfg", (".dockercfg",)),
        ("kubernetes.io/basic-auth", ("username",)),
        ("kubernetes.io/basic-auth", ("password",)),
    ],
)
def test_a_secret_of_a_type_has_its_keys(kind: str, keys: tuple[str, ...]) -> None:
    assert causes(secret(type=kind, stringData=dict.fromkeys(keys, "x"))) == {}
    assert "has in data" in str(refused(secret(type=kind, stringData={"other": "x"})))


def test_texts_win_over_data_and_are_never_shown() -> None:
    shown = parse(secret(data={"a": b64("old"), "b": b64("kept")}, stringData={"a": "new"})).document()
    assert shown["data"] == {"a": b64("new"), "b": b64("kept")}
    assert "stringData" not in shown


def test_no_refusal_repeats_a_value() -> None:
    for document in (
        secret(data={"a": "hunter2!"}),
        secret(stringData={"a": ["hunter2!"]}),
        secret(stringData="hunter2!"),
    ):
        assert "hunter2" not in str(refused(document))


def test_only_what_is_sealed_may_be_stored() -> None:
    Secret.model_validate(secret(data={"a": SEALED})).check_at_rest()
    parse(config_map(data={"a": "open"})).check_at_rest()
    bare = secret(data={"a": SEALED, "b": "eA=="})
    bare["metadata"]["annotations"] = {LAST_APPLIED: "{}"}
    with pytest.raises(InvalidManifestError) as caught:
        parse(bare).check_at_rest()
    assert [field for field, _ in caught.value.causes] == ["data[b]", f"metadata.annotations[{LAST_APPLIED}]"]
