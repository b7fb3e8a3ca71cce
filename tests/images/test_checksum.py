"""What a manifest pins is what is published."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.problem import Problem, Verdict
from images.cache import ImageCache
from images.checksum import parse_checksum
from tests.image_server import ImageServer
from tests.images.conftest import KEY, LOCAL, Ensure, Refuse

ZERO = "0" * 64
STRICT = LOCAL.model_copy(update={"require_checksum": True})


@given(st.binary())
def test_a_checksum_in_either_letter_case_is_understood(data: bytes) -> None:
    digest = sha256(data).hexdigest()
    assert parse_checksum(f"sha256:{digest}") == parse_checksum(f"sha256:{digest.upper()}") == digest


@pytest.mark.parametrize(
    "text",
    [
        ZERO,
        f"sha256:{ZERO[1:]}",
        f"sha256:{ZERO}0",
        f"md5:{ZERO}",
        f"sha256:{'g' * 64}",
        f" sha256:{ZERO}",
        f"sha256:{ZERO}\n",
    ],
)
def test_14_a_malformed_checksum_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_checksum(text)
    assert (caught.value.reason, caught.value.verdict) == ("InvalidChecksum", Verdict.TERMINAL)
    assert caught.value.field == "spec.storage.root.source.http.checksum"


def test_no_checksum_pins_nothing() -> None:
    assert not parse_checksum("")


def test_14_a_missing_checksum_is_refused_in_strict_mode(
    server: ImageServer, ensure: Ensure, refuses: Refuse, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2)
    problem = refuses(url, policy=STRICT)
    assert problem.reason == "ChecksumRequired"
    assert problem.field == "spec.storage.root.source.http.checksum"
    assert server.requests == 0
    ensure(url, f"sha256:{sha256(small_qcow2).hexdigest()}", policy=STRICT)


def test_14_a_wrong_checksum_is_refused_with_both_digests_and_the_cache_stays_clean(
    server: ImageServer, ensure: Ensure, refuses: Refuse, cache: ImageCache, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2)
    problem = refuses(url, f"sha256:{ZERO}")
    assert problem.reason == "ChecksumMismatch"
    assert problem.field == "spec.storage.root.source.http.checksum"
    assert ZERO in problem.message
    assert sha256(small_qcow2).hexdigest() in problem.message
    assert cache.lookup(KEY) is None
    ensure(url)


def test_the_checksum_is_of_the_bytes_as_served_over_all_attempts(
    server: ImageServer, ensure: Ensure, fails: Refuse, small_qcow2: bytes
) -> None:
    pinned = f"sha256:{sha256(small_qcow2).hexdigest()}"
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=70_000)
    fails(url, pinned)
    server.resource("/a.qcow2").truncate_after = None
    assert f"sha256:{ensure(url, pinned).sha256}" == pinned


def test_bytes_that_changed_under_the_same_tag_never_pass_a_checksum(
    server: ImageServer, fails: Refuse, refuses: Refuse, small_qcow2: bytes
) -> None:
    pinned = f"sha256:{sha256(small_qcow2).hexdigest()}"
    url = server.serve("/a.qcow2", bytes(len(small_qcow2)), truncate_after=70_000, etag='"same"')
    fails(url, pinned)
    server.serve("/a.qcow2", small_qcow2, etag='"same"')
    assert refuses(url, pinned).reason == "ChecksumMismatch"
