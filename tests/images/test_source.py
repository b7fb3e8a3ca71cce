"""Which URLs may be asked for."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.problem import Problem, Verdict
from images.source import next_hop, parse_source, shown


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "nbd://127.0.0.1:10809/disk",
        "nbd+unix:///disk?socket=/run/nbd",
        "rbd:pool/image",
        'json:{"driver":"file","filename":"/etc/passwd"}',
        'json:{"driver":"qcow2","file.filename":"/etc/passwd"}',
        "ftp://example.org/a.qcow2",
        "ssh://example.org/a.qcow2",
        "/etc/passwd",
        "//example.org/a.qcow2",
        "http:///a.qcow2",
        "http://",
        "https:a.qcow2",
        "",
        "http://example.org:port/a",
        "http://exa\nmple.org/a",
        "http://example.org/\x00",
        "http://[::1/a",
    ],
)
def test_12_only_http_urls_with_a_host_are_fetched(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_source(text)
    assert (caught.value.reason, caught.value.verdict) == ("InvalidSource", Verdict.TERMINAL)
    assert caught.value.field == "spec.storage.root.source.http.url"


@pytest.mark.parametrize("text", ["http://me:secret@example.org/a", "https://secret@example.org/a"])
def test_13_credentials_in_a_url_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_source(text)
    assert caught.value.reason == "InvalidSource"
    assert "secret" not in str(caught.value)


def test_13_a_url_is_shown_without_its_query_where_signatures_are() -> None:
    assert shown(httpx.URL("https://me:secret@example.org:8443/a?X-Signature=secret#b")) == "https://example.org:8443/a"


@given(st.text())
def test_any_text_is_a_url_or_a_problem(text: str) -> None:
    try:
        url = parse_source(text)
    except Problem as problem:
        assert problem.reason == "InvalidSource"  # noqa: PT017 - either outcome is right, each must hold
    else:
        assert url.scheme in {"http", "https"}
        assert not url.userinfo


def test_11_a_redirect_may_be_relative() -> None:
    assert next_hop(httpx.URL("https://a.org/x/y"), "../z", pinned=False) == httpx.URL("https://a.org/z")


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "http://me:secret@b.org/", "http://[::1/a", "gopher://b.org/"]
)
def test_11_a_redirect_leads_only_where_a_source_may(location: str) -> None:
    with pytest.raises(Problem) as caught:
        next_hop(httpx.URL("http://a.org/x"), location, pinned=True)
    assert caught.value.reason == "InvalidSource"
    assert "secret" not in str(caught.value)


def test_11_a_redirect_to_plain_http_needs_a_checksum() -> None:
    with pytest.raises(Problem) as caught:
        next_hop(httpx.URL("https://a.org/x"), "http://a.org/x", pinned=False)
    assert caught.value.reason == "ImageSourceRefused"
    assert next_hop(httpx.URL("https://a.org/x"), "http://a.org/x", pinned=True).scheme == "http"
