"""What the cache believes, what it forgets, and who may write to it."""

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain.image import ImageFacts, ImageSource, ImportProgress, image_key
from domain.problem import Problem, Verdict
from images.cache import ImageCache
from images.lock import only_one
from images.pulse import Pulse
from tests.image_server import ImageServer
from tests.images.conftest import KEY, LOCAL, Ensure, Refuse, ignore


def test_the_key_of_a_source_is_a_key(cache: ImageCache) -> None:
    assert cache.lookup(image_key("default", ImageSource(url="https://example.org/a.qcow2"))) is None


@pytest.mark.parametrize("key", ["", "../a", "a/b", "a.b", "A", "-a", "a\n", "a\0", "a" * 64])
def test_a_key_that_could_leave_the_folder_is_refused(cache: ImageCache, key: str) -> None:
    with pytest.raises(ValueError, match="image_key"):
        cache.lookup(key)


def test_an_image_is_believed_only_with_its_facts(
    server: ImageServer, ensure: Ensure, cache: ImageCache, folder: Path, small_qcow2: bytes
) -> None:
    facts = ensure(server.serve("/a.qcow2", small_qcow2))
    assert cache.lookup(KEY) == facts
    (folder / f"{KEY}.json").rename(folder / "aside")
    assert cache.lookup(KEY) is None
    assert cache.partials() == [f"{KEY}.qcow2"]


def test_facts_are_believed_only_with_their_image(
    server: ImageServer, ensure: Ensure, cache: ImageCache, folder: Path, small_qcow2: bytes
) -> None:
    ensure(server.serve("/a.qcow2", small_qcow2))
    (folder / f"{KEY}.qcow2").unlink()
    assert cache.lookup(KEY) is None
    assert cache.partials() == [f"{KEY}.json"]


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json"])
def test_damaged_facts_and_a_cut_image_are_not_believed_but_imported_again(
    server: ImageServer, ensure: Ensure, cache: ImageCache, folder: Path, small_qcow2: bytes, damage: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2)
    facts = ensure(url)
    (folder / f"{KEY}.json").write_bytes(damage)
    assert cache.lookup(KEY) is None
    assert ensure(url) == facts
    (folder / f"{KEY}.qcow2").write_bytes(small_qcow2[:-1])
    assert cache.lookup(KEY) is None
    assert ensure(url) == facts


def test_what_a_kill_right_after_publication_left_is_swept(
    server: ImageServer, ensure: Ensure, cache: ImageCache, folder: Path, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2)
    facts = ensure(url)
    for suffix in ("partial", "cursor", "converting", "unpacked", "json.new", "cursor.new"):
        (folder / f"{KEY}.{suffix}").write_bytes(b"left")
    assert len(cache.partials()) == 6
    assert ensure(url) == facts
    assert cache.partials() == []
    assert server.requests == 1


def test_removal_takes_everything_and_may_be_repeated(
    server: ImageServer, ensure: Ensure, fails: Refuse, cache: ImageCache, folder: Path, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2, truncate_after=1000)
    fails(url)
    cache.remove(KEY)
    assert list(folder.iterdir()) == []
    server.resource("/a.qcow2").truncate_after = None
    ensure(url)
    cache.remove(KEY)
    cache.remove(KEY)
    assert list(folder.iterdir()) == []


def test_removal_from_a_cache_that_never_was_succeeds(cache: ImageCache, folder: Path) -> None:
    cache.remove(KEY)
    assert cache.partials() == []
    assert not folder.exists()


def test_only_names_an_import_makes_are_partials(cache: ImageCache, folder: Path) -> None:
    folder.mkdir()
    for name in ("readme", "a.lock", "b.partial"):
        (folder / name).touch()
    assert cache.partials() == ["a.lock", "b.partial"]


def test_a_second_import_of_an_image_is_told_at_once_that_the_first_runs(
    server: ImageServer, ensure: Ensure, fails: Refuse, cache: ImageCache, small_qcow2: bytes
) -> None:
    url = server.serve("/a.qcow2", small_qcow2)
    problems: list[Problem] = []

    def second(progress: ImportProgress) -> None:
        problems.append(fails(url))
        with pytest.raises(Problem) as caught:
            cache.remove(KEY)
        problems.append(caught.value)

    ensure(url, beat=second)
    assert {(problem.reason, problem.verdict) for problem in problems} == {("ImageBusy", Verdict.RETRY)}
    assert server.requests == 1


def test_of_many_imports_at_once_one_fetches(server: ImageServer, cache: ImageCache, small_qcow2: bytes) -> None:
    source = ImageSource(url=server.serve("/a.qcow2", small_qcow2))

    def run(_: int) -> ImageFacts | str:
        try:
            return cache.ensure(KEY, source, policy=LOCAL, beat=ignore)
        except Problem as problem:
            return problem.reason

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(8)))
    facts = cache.lookup(KEY)
    assert facts in results
    assert all(result in (facts, "ImageBusy") for result in results)
    assert server.requests == 1


def test_an_import_that_waited_for_nothing_finds_what_another_published(
    server: ImageServer, ensure: Ensure, cache: ImageCache, small_qcow2: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve("/a.qcow2", small_qcow2)
    facts = ensure(url)
    answers = iter([None, facts])
    monkeypatch.setattr(cache, "lookup", lambda key: next(answers))
    assert ensure(url) == facts
    assert server.requests == 1


def test_a_lock_file_that_was_removed_by_its_last_holder_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.lock"

    def replace() -> None:
        path.unlink()
        path.touch()

    tricks = [replace, path.unlink]

    def flock_after_removal(descriptor: int, operation: int) -> None:
        if tricks:
            tricks.pop()()
        fcntl.flock(descriptor, operation)

    monkeypatch.setattr("images.lock.flock", flock_after_removal)
    with only_one(path) as descriptor:
        assert path.stat().st_ino == os.fstat(descriptor).st_ino
    assert not path.exists()


def test_a_disk_that_fails_is_reported_as_it_is(
    server: ImageServer, ensure: Ensure, small_qcow2: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("images.download.sync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        ensure(server.serve("/a.qcow2", small_qcow2))


def test_the_rate_is_that_of_the_last_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("images.pulse.monotonic", lambda: clock[0])
    beats: list[ImportProgress] = []
    pulse = Pulse(beats.append, deadline=100)
    pulse.begin("downloading", total=5000)
    for second, moved in enumerate([1000] * 6 + [10] * 6, start=1):
        clock[0] = second
        pulse.move(moved)
    assert beats[0].rate == 0
    assert beats[6].rate == 1000
    assert beats[-1].rate == 10


def test_beats_come_at_most_twice_a_second_and_at_once_with_a_new_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("images.pulse.monotonic", lambda: clock[0])
    beats: list[ImportProgress] = []
    pulse = Pulse(beats.append, deadline=100)
    for _ in range(100):
        clock[0] += 0.01
        pulse.tick()
    assert len(beats) == 2
    pulse.begin("publishing")
    assert beats[-1].stage == "publishing"
