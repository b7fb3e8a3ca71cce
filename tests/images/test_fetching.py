"""An image is fetched whole, in as many attempts as it takes, and never in part."""

from hashlib import sha256
from pathlib import Path

import pytest

from domain.image import ImportProgress
from domain.problem import Verdict
from images.cache import ImageCache
from images.download import CHUNK
from tests.image_server import ImageServer
from tests.images.conftest import KEY, LOCAL, Ensure, Refuse
from tests.images.making import MIB


class StopError(Exception):
    """What a caller raises to stop an import."""


def test_a_qcow2_image_is_published_as_it_was_served(
    server: ImageServer, ensure: Ensure, folder: Path, small_qcow2: bytes
) -> None:
    facts = ensure(server.serve("/a.qcow2", small_qcow2))
    assert (folder / f"{KEY}.qcow2").read_bytes() == small_qcow2
    assert facts.sha256 == sha256(small_qcow2).hexdigest()
    assert (facts.key, facts.format, facts.virtual_size) == (KEY, "qcow2", 2 * MIB)
    assert facts.size == facts.fetched == len(small_qcow2) == server.bytes_served


def test_only_the_image_and_its_facts_remain_and_everybody_may_read_the_image(
    server: ImageServer, ensure: Ensure, folder: Path, cache: ImageCache, small_qcow2: bytes
) -> None:
    ensure(server.serve("/a.qcow2", small_qcow2))
    assert sorted(path.name for path in folder.iterdir()) == [f"{KEY}.json", f"{KEY}.qcow2"]
    assert (folder / f"{KEY}.qcow2").stat().st_mode & 0o777 == 0o644
    assert cache.partials() == []


def test_a_cached_image_is_not_fetched_again(server: ImageServer, ensure: Ensure, small_qcow2: bytes) -> None:
    url = server.serve("/a.qcow2", small_qcow2)
    assert ensure(url) == ensure(url)
    assert server.requests == 1


def test_beats_tell_every_stage(server: ImageServer, ensure: Ensure, small_qcow2: bytes) -> None:
    beats: list[ImportProgress] = []
    ensure(server.serve("/a.qcow2", small_qcow2), beat=beats.append)
    stages = list(dict.fromkeys(beat.stage for beat in beats))
    assert stages == ["verifying", "downloading", "publishing"]
    assert beats[-1].done == beats[-1].total == len(small_qcow2)


def test_progress_of_a_slow_download_shows_bytes_and_rate(
    server: ImageServer, ensure: Ensure, large_qcow2: bytes
) -> None:
    server.rate = 12 * MIB
    beats: list[ImportProgress] = []
    ensure(server.serve("/a.qcow2", large_qcow2), beat=beats.append)
    downloading = [beat for beat in beats if beat.stage == "downloading"]
    assert {beat.total for beat in downloading} == {len(large_qcow2)}
    assert any(0 < beat.done < len(large_qcow2) for beat in downloading)
    assert any(beat.rate > MIB for beat in downloading)


def test_a_stopped_import_resumes_without_fetching_a_byte_twice(
    server: ImageServer, ensure: Ensure, folder: Path, cache: ImageCache, large_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", large_qcow2)
    server.rate = 16 * MIB

    def stop(progress: ImportProgress) -> None:
        if progress.done:
            raise StopError

    with pytest.raises(StopError):
        ensure(url, beat=stop)
    assert cache.partials() == [f"{KEY}.cursor", f"{KEY}.partial"]
    here = (folder / f"{KEY}.partial").stat().st_size
    assert 0 < here < len(large_qcow2)
    server.rate = None
    facts = ensure(url)
    assert server.exchanges[-1].served == len(large_qcow2) - here
    assert facts.fetched == len(large_qcow2)


def test_a_silent_server_does_not_keep_a_stop_waiting(server: ImageServer, ensure: Ensure, small_qcow2: bytes) -> None:
    url = server.serve("/a.qcow2", small_qcow2, stall_after=1000)
    beats = 0

    def stop(progress: ImportProgress) -> None:
        nonlocal beats
        beats += progress.stage == "downloading"
        if beats == 3:
            raise StopError

    with pytest.raises(StopError):
        ensure(url, beat=stop)


def test_a_silent_server_is_given_up_and_resumed_later(
    server: ImageServer, ensure: Ensure, fails: Refuse, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, stall_after=1000)
    problem = fails(url, policy=LOCAL.model_copy(update={"read_timeout": 0.3}))
    assert (problem.reason, problem.verdict) == ("ImageUnreachable", Verdict.RETRY)
    server.resource("/a.qcow2").stall_after = None
    ensure(url)
    assert server.exchanges[-1].headers["range"] == "bytes=1000-"


def test_an_attempt_ends_at_its_deadline_and_the_next_goes_on(
    server: ImageServer, ensure: Ensure, fails: Refuse, large_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", large_qcow2)
    server.rate = 8 * MIB
    problem = fails(url, policy=LOCAL.model_copy(update={"deadline": 1.0}))
    assert (problem.reason, problem.verdict) == ("ImageDeadlineExceeded", Verdict.RETRY)
    server.rate = None
    assert ensure(url).fetched == len(large_qcow2)


def test_a_truncated_body_is_never_published_and_completed_later(
    server: ImageServer, ensure: Ensure, fails: Refuse, cache: ImageCache, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=50_000)
    problem = fails(url)
    assert (problem.reason, problem.verdict) == ("ImageTruncated", Verdict.RETRY)
    assert cache.lookup(KEY) is None
    server.resource("/a.qcow2").truncate_after = None
    assert ensure(url).fetched == len(small_qcow2)
    assert server.exchanges[-1].headers["range"] == "bytes=50000-"


def test_a_truncated_chunked_body_is_never_published(
    server: ImageServer, fails: Refuse, cache: ImageCache, small_qcow2: bytes
) -> None:
    problem = fails(server.serve("/a.qcow2", small_qcow2, chunked=True, truncate_after=50_000))
    assert problem.reason == "ImageTruncated"
    assert cache.lookup(KEY) is None


def test_a_range_shorter_than_asked_for_is_completed_later(
    server: ImageServer, ensure: Ensure, fails: Refuse, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=50_000)
    fails(url)
    size = len(small_qcow2)
    resource = server.resource("/a.qcow2")
    resource.headers = {"Content-Length": "30000", "Content-Range": f"bytes 50000-79999/{size}"}
    resource.truncate_after = 30_000
    assert fails(url).reason == "ImageTruncated"
    resource.truncate_after, resource.headers = None, {}
    ensure(url)
    assert server.exchanges[-1].headers["range"] == "bytes=80000-"


@pytest.mark.parametrize("change", [{"etag": '"new"'}, {"etag": ""}])
def test_a_changed_version_is_fetched_from_its_start(
    server: ImageServer, ensure: Ensure, fails: Refuse, folder: Path, small_qcow2: bytes, change: dict[str, str]
) -> None:
    url = server.serve("/a.qcow2", small_qcow2[::-1], truncate_after=50_000)
    fails(url)
    server.serve("/a.qcow2", small_qcow2, **change)
    facts = ensure(url)
    assert (folder / f"{KEY}.qcow2").read_bytes() == small_qcow2
    assert facts.fetched == len(small_qcow2) + 50_000 == server.bytes_served


def test_a_range_of_another_version_is_not_appended(
    server: ImageServer, ensure: Ensure, fails: Refuse, folder: Path, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2[::-1], truncate_after=50_000)
    fails(url)
    server.serve("/a.qcow2", small_qcow2, etag='"new"', ignores_if_range=True)
    ensure(url)
    assert (folder / f"{KEY}.qcow2").read_bytes() == small_qcow2
    assert [exchange.status for exchange in server.exchanges] == [200, 206, 200]


@pytest.mark.parametrize(
    "headers", [{"Content-Range": "nonsense"}, {"Content-Range": "bytes 0-9/10"}, {"Content-Length": "7000000"}]
)
def test_a_range_nobody_asked_for_is_not_appended(
    server: ImageServer, ensure: Ensure, fails: Refuse, folder: Path, small_qcow2: bytes, headers: dict[str, str]
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=50_000)
    fails(url)
    resource = server.resource("/a.qcow2")
    resource.truncate_after, resource.range_headers = None, headers
    ensure(url)
    assert (folder / f"{KEY}.qcow2").read_bytes() == small_qcow2
    assert [exchange.status for exchange in server.exchanges] == [200, 206, 200]


def test_a_version_shrunk_below_what_is_here_is_fetched_from_its_start(
    server: ImageServer, ensure: Ensure, fails: Refuse, folder: Path, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2 + bytes(MIB), truncate_after=len(small_qcow2) + 5, etag='"same"')
    fails(url)
    server.serve("/a.qcow2", small_qcow2, etag='"same"')
    ensure(url)
    assert (folder / f"{KEY}.qcow2").read_bytes() == small_qcow2
    assert [exchange.status for exchange in server.exchanges] == [200, 416, 200]


def test_a_server_without_ranges_is_fetched_from_its_start(
    server: ImageServer, ensure: Ensure, fails: Refuse, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=50_000, accepts_ranges=False)
    fails(url)
    server.resource("/a.qcow2").truncate_after = None
    assert ensure(url).fetched == len(small_qcow2) + 50_000


def test_without_a_version_nothing_is_resumed(
    server: ImageServer, ensure: Ensure, fails: Refuse, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=50_000, etag="")
    fails(url)
    server.resource("/a.qcow2").truncate_after = None
    ensure(url)
    assert "range" not in server.exchanges[-1].headers


def test_a_weak_tag_is_replaced_by_the_date(
    server: ImageServer, ensure: Ensure, fails: Refuse, small_qcow2: bytes
) -> None:
    date = "Sat, 21 Nov 2026 09:00:00 GMT"
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=50_000, etag='W/"weak"', last_modified=date)
    fails(url)
    server.resource("/a.qcow2").truncate_after = None
    ensure(url)
    assert server.exchanges[-1].headers["if-range"] == date
    assert server.exchanges[-1].status == 206


def test_an_image_of_unknown_length_is_fetched_in_chunks(
    server: ImageServer, ensure: Ensure, small_qcow2: bytes
) -> None:
    assert ensure(server.serve("/a.qcow2", small_qcow2, chunked=True)).size == len(small_qcow2)


def test_a_body_whose_end_nothing_marks_needs_a_checksum(
    server: ImageServer, ensure: Ensure, refuses: Refuse, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, unframed=True)
    assert refuses(url).reason == "ImageForbidden"
    assert ensure(url, f"sha256:{sha256(small_qcow2).hexdigest()}").size == len(small_qcow2)


@pytest.mark.parametrize(
    ("status", "reason", "verdict"),
    [
        (404, "ImageNotFound", Verdict.TERMINAL),
        (410, "ImageNotFound", Verdict.TERMINAL),
        (401, "ImageForbidden", Verdict.TERMINAL),
        (403, "ImageForbidden", Verdict.TERMINAL),
        (429, "ImageUnreachable", Verdict.RETRY),
        (500, "ImageUnreachable", Verdict.RETRY),
        (503, "ImageUnreachable", Verdict.RETRY),
        (204, "ImageUnreachable", Verdict.RETRY),
        (304, "ImageUnreachable", Verdict.RETRY),
    ],
)
def test_an_answer_without_an_image_has_a_reason(
    server: ImageServer, fails: Refuse, status: int, reason: str, verdict: Verdict
) -> None:
    problem = fails(server.serve("/a.qcow2", b"", status=status))
    assert (problem.reason, problem.verdict) == (reason, verdict)
    assert problem.field == "spec.storage.root.source.http.url"


def test_what_was_fetched_outlives_a_passing_server_error(
    server: ImageServer, ensure: Ensure, fails: Refuse, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=50_000)
    fails(url)
    resource = server.resource("/a.qcow2")
    resource.truncate_after, resource.status = None, 503
    fails(url)
    resource.status = 0
    assert ensure(url).fetched == len(small_qcow2)


def test_more_bytes_than_allowed_are_refused_before_they_are_fetched(
    server: ImageServer, refuses: Refuse, small_qcow2: bytes
) -> None:
    problem = refuses(server.serve("/a.qcow2", small_qcow2), policy=LOCAL.model_copy(update={"max_bytes": 1000}))
    assert problem.reason == "ImageTooLarge"


def test_more_bytes_than_allowed_are_refused_while_they_come(
    server: ImageServer, refuses: Refuse, small_qcow2: bytes
) -> None:
    policy = LOCAL.model_copy(update={"max_bytes": 100_000})
    assert refuses(server.serve("/a.qcow2", small_qcow2, chunked=True), policy=policy).reason == "ImageTooLarge"


@pytest.mark.parametrize("damage", [b"", b"{}garbage", b'{"offset": 99999999, "fetched": 7}'])
def test_a_damaged_cursor_means_a_fresh_start(
    server: ImageServer, ensure: Ensure, fails: Refuse, folder: Path, small_qcow2: bytes, damage: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=50_000)
    fails(url)
    (folder / f"{KEY}.cursor").write_bytes(damage)
    server.resource("/a.qcow2").truncate_after = None
    ensure(url)
    assert (folder / f"{KEY}.qcow2").read_bytes() == small_qcow2
    assert "range" not in server.exchanges[-1].headers


def test_a_complete_download_is_not_asked_for_again(
    server: ImageServer, ensure: Ensure, folder: Path, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2)

    def stop(progress: ImportProgress) -> None:
        if progress.stage == "publishing":
            raise StopError

    with pytest.raises(StopError):
        ensure(url, beat=stop)
    ensure(url)
    assert server.requests == 1


def test_a_chunk_is_what_may_be_fetched_twice() -> None:
    assert CHUNK == 8 * MIB
