"""Words behind the question mark: what is none of them is refused, in Kubernetes' codes."""

import pytest
from starlette.datastructures import Headers, QueryParams

from api.addressing import Address
from api.calls import REQUEST_LIMIT, Call, Caller
from api.media import Form
from api.refusals import Refusal
from tests.api.pure.kinds import resource


def call(verb: str = "list", **query: str) -> Call:
    """Return a call that looks for config maps."""
    address = Address("v1", "configmaps", "team")
    return Call(Caller("ada"), verb, resource("ConfigMap"), address, QueryParams(query), Headers(), Form.OBJECT)


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "²", "1000000001", "0" * 11, "9" * 5000])
@pytest.mark.parametrize("name", ["limit", "gracePeriodSeconds", "timeoutSeconds"])
def test_a_number_that_counts_nothing_is_refused(name: str, number: str) -> None:
    with pytest.raises(Refusal, match=f"{name}: write a number") as refused:
        call(**{name: number}).number(name)
    assert refused.value.code == 400


@pytest.mark.parametrize(("said", "number"), [("", 0), ("0", 0), ("007", 7), ("1000000000", 10**9)])
def test_a_number_is_read(said: str, number: int) -> None:
    assert call(limit=said).number("limit") == number


def test_a_request_is_called_by_a_short_id() -> None:
    assert call().request == ""
    assert call(request="x" * REQUEST_LIMIT).request == "x" * REQUEST_LIMIT
    with pytest.raises(Refusal, match="at most 128 characters") as refused:
        _ = call(request="x" * (REQUEST_LIMIT + 1)).request
    assert refused.value.code == 400


@pytest.mark.parametrize("verb", ["list", "watch"])
@pytest.mark.parametrize("version", ["abc", "-1", "1.5", "9" * 5000])
def test_a_version_that_is_none_is_refused_before_anything_is_answered(verb: str, version: str) -> None:
    with pytest.raises(Refusal, match="invalid resource version") as refused:
        call(verb, resourceVersion=version).listed()
    assert refused.value.code == 400


@pytest.mark.parametrize("version", ["", "0", "1732233600000000"])
def test_a_version_is_read(version: str) -> None:
    assert call("watch", resourceVersion=version).listed().version == version
