"""A full disk (fault 9): the partial goes, the room comes back, and the import goes on when there is room."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.image import ImageSource, ImportProgress
from domain.problem import Problem, Verdict
from images.cache import ImageCache
from tests.image_server import ImageServer
from tests.images.conftest import KEY, LOCAL, Ensure, Refuse, ignore
from tests.images.making import MIB, made, raw_disk

ROOM = 8 * MIB
OTHER = "f" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A file system with 8 MiB of room."""
    folder = tmp_path / "images"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("image"), "qcow2", raw_disk(16 * MIB, filled=6 * MIB))


def is_empty(folder: Path) -> bool:
    return list(folder.iterdir()) == []


@pytest.mark.parametrize("chunked", [False, True], ids=["known before", "found out while writing"])
def test_a_full_disk_during_the_download_gives_its_room_back_and_goes_on_later(
    server: ImageServer,
    ensure: Ensure,
    fails: Refuse,
    folder: Path,
    image: bytes,
    chunked: bool,  # noqa: FBT001 - a parameter
) -> None:
    ballast = folder / "other"
    ballast.write_bytes(bytes(4 * MIB))
    url = server.serve("/a.qcow2", image, chunked=chunked)
    problem = fails(url)
    assert (problem.reason, problem.verdict) == ("NoSpace", Verdict.WAIT)
    assert problem.field == "spec.storage.root.source.http.url"
    assert list(folder.iterdir()) == [ballast]
    ballast.unlink()
    assert ensure(url).size == len(image)


def test_an_image_that_does_not_fit_is_not_even_begun(
    server: ImageServer, ensure: Ensure, folder: Path, image: bytes
) -> None:
    (folder / "other").write_bytes(bytes(4 * MIB))
    beats: list[ImportProgress] = []
    with pytest.raises(Problem, match="no room"):
        ensure(server.serve("/a.qcow2", image), beat=beats.append)
    assert {beat.stage for beat in beats} == {"verifying"}


def test_a_full_disk_during_the_conversion_gives_its_room_back(
    server: ImageServer, fails: Refuse, folder: Path
) -> None:
    problem = fails(server.serve("/a.raw", raw_disk(6 * MIB, filled=5 * MIB)))
    assert (problem.reason, problem.verdict) == ("NoSpace", Verdict.WAIT)
    assert is_empty(folder)


def test_other_images_stay(server: ImageServer, ensure: Ensure, cache: ImageCache, small_qcow2: bytes) -> None:
    ensure(server.serve("/small.qcow2", small_qcow2))
    published = cache.lookup(KEY)
    url = server.serve("/a.raw", raw_disk(6 * MIB, filled=5 * MIB))
    with pytest.raises(Problem) as caught:
        cache.ensure(OTHER, ImageSource(url=url), policy=LOCAL, beat=ignore)
    assert caught.value.reason == "NoSpace"
    assert cache.lookup(KEY) == published
    assert cache.partials() == []
