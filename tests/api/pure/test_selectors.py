"""Selectors select as Kubernetes' do, and say in its words what is wrong with them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.refusals import Refusal
from api.selectors import LIMIT, field, field_selector, label_selector


def labelled(**labels: str) -> dict[str, Any]:
    return {"metadata": {"name": "web", "labels": labels}}


@pytest.mark.parametrize(
    ("selector", "fits", "fits_not"),
    [
        ("", [labelled(), labelled(a="b")], []),
        ("a=b", [labelled(a="b")], [labelled(a="c"), labelled()]),
        ("a == b", [labelled(a="b")], [labelled(a="c")]),
        ("a=", [labelled(a="")], [labelled(a="x"), labelled()]),
        ("a!=b", [labelled(a="c"), labelled()], [labelled(a="b")]),
        ("a in (b, c)", [labelled(a="b"), labelled(a="c")], [labelled(a="d"), labelled()]),
        ("a in (b,)", [labelled(a="b"), labelled(a="")], [labelled(a="c")]),
        ("a notin (b)", [labelled(a="c"), labelled()], [labelled(a="b")]),
        ("a", [labelled(a="")], [labelled()]),
        ("!a", [labelled()], [labelled(a="b")]),
        ("a>1", [labelled(a="2")], [labelled(a="1"), labelled(a="x"), labelled()]),
        ("a<2", [labelled(a="1")], [labelled(a="2"), labelled()]),
        ("a=b,!c,d in (e)", [labelled(a="b", d="e")], [labelled(a="b", c="", d="e"), labelled(a="b")]),
        ("in=notin", [{"metadata": {"labels": {"in": "notin"}}}], [labelled()]),
        (
            "topology.kubernetes.io/zone=a",
            [{"metadata": {"labels": {"topology.kubernetes.io/zone": "a"}}}],
            [labelled()],
        ),
    ],
)
def test_label_selectors(selector: str, fits: list[Any], fits_not: list[Any]) -> None:
    predicate = label_selector(selector)
    assert all(predicate(each) for each in fits)
    assert not any(predicate(each) for each in fits_not)


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("a=b,", "found '', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "unable to parse requirement: found 'b', expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',', or ')'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a/b/c=d", 'unable to parse requirement: <nil>: Invalid value: "a/b/c"'),
        ("a=b/c", "unable to parse requirement: values[0][a]: Invalid value"),
        ("a>x", "unable to parse requirement: values[0]: Invalid value"),
        ("a" * (LIMIT + 1), "a selector has at most"),
    ],
)
def test_a_wrong_label_selector_is_refused_in_kubernetes_words(selector: str, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        label_selector(selector)
    assert refused.value.code == 400
    assert refused.value.message.startswith(message)


VM = {
    "metadata": {"name": "web", "namespace": "dev"},
    "spec": {"runStrategy": "Always", "network": {"tcp": [80]}, "on": True},
    "status": {"phase": "Running", "exits": 3},
}


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True),
        ("metadata.name=web", True),
        ("metadata.name==web,metadata.namespace=dev", True),
        ("metadata.name!=web", False),
        ("status.phase=Running", True),
        ("status.exits=3", True),
        ("spec.on=true", True),
        ("spec.missing=", True),
        ("spec.missing!=x", True),
        ("spec.network.tcp=80", False),
        (r"metadata.name=we\,b", False),
    ],
)
def test_field_selectors(selector: str, *, fits: bool) -> None:
    assert field_selector(selector)(VM) is fits


def test_a_field_selector_can_name_any_value() -> None:
    assert field_selector(r"spec.text=a\,b\=c\\d")({"spec": {"text": r"a,b=c\d"}})


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("name", "invalid selector: 'name'; can't understand 'name'"),
        (r"spec.a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("data.password=x", "field label not supported: data.password"),
    ],
)
def test_a_wrong_field_selector_is_refused(selector: str, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        field_selector(selector)
    assert (refused.value.code, refused.value.message) == (400, message)


def code_of(parse: Any, text: str) -> int:
    try:
        parse(text)(VM)
    except Refusal as refusal:
        return refusal.code
    return 200


@given(st.text(max_size=60) | st.text("ab=!,()<>\\ in", max_size=30))
def test_any_text_is_a_selector_or_is_refused(text: str) -> None:
    assert code_of(label_selector, text) in {200, 400}
    assert code_of(field_selector, text) in {200, 400}


WORD = st.text("abcXYZ019", min_size=1, max_size=8)


@given(st.dictionaries(WORD, WORD, max_size=4), st.dictionaries(WORD, WORD, min_size=1, max_size=4))
def test_equality_selects_exactly_those_that_have_all_labels(labels: dict[str, str], wanted: dict[str, str]) -> None:
    selector = ",".join(f"{key}={value}" for key, value in wanted.items())
    assert label_selector(selector)(labelled(**labels)) is (wanted.items() <= labels.items())


def test_a_field_that_is_no_scalar_reads_as_empty() -> None:
    assert field(VM, "spec.network") == ""
    assert field(VM, "spec.runStrategy.deeper") == ""
