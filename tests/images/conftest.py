"""What the tests of images share: a server, a cache and a policy that lets them meet."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Protocol

import pytest

from domain.image import ImageFacts, ImageSource, ImportProgress
from domain.problem import Problem, Verdict
from images.cache import ImageCache
from images.policy import FetchPolicy
from images.pulse import Beat
from tests.image_server import ImageServer
from tests.images.making import MIB, made, raw_disk

KEY = "0123456789abcdef0123456789abcdef"
LOCAL = FetchPolicy(allowed_networks=(ip_network("127.0.0.0/8"),))


def ignore(progress: ImportProgress) -> None:
    """A beat of somebody who does not look."""


class Ensure(Protocol):
    def __call__(
        self, url: str, checksum: str = "", *, policy: FetchPolicy = LOCAL, beat: Beat = ignore
    ) -> ImageFacts: ...


class Refuse(Protocol):
    def __call__(self, url: str, checksum: str = "", *, policy: FetchPolicy = LOCAL) -> Problem: ...


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with ImageServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def cache(folder: Path) -> ImageCache:
    return ImageCache(folder)


@pytest.fixture
def ensure(cache: ImageCache) -> Ensure:
    """Import under the key all tests share."""

    def ensure(url: str, checksum: str = "", *, policy: FetchPolicy = LOCAL, beat: Beat = ignore) -> ImageFacts:
        return cache.ensure(KEY, ImageSource(url=url, checksum=checksum), policy=policy, beat=beat)

    return ensure


@pytest.fixture
def fails(ensure: Ensure) -> Refuse:
    """Import, expect a problem and return it."""

    def fails(url: str, checksum: str = "", *, policy: FetchPolicy = LOCAL) -> Problem:
        with pytest.raises(Problem) as caught:
            ensure(url, checksum, policy=policy)
        return caught.value

    return fails


@pytest.fixture
def refuses(fails: Refuse, folder: Path) -> Refuse:
    """Import, expect a terminal problem that leaves nothing behind, and return it."""

    def refuses(url: str, checksum: str = "", *, policy: FetchPolicy = LOCAL) -> Problem:
        problem = fails(url, checksum, policy=policy)
        assert problem.verdict is Verdict.TERMINAL
        assert problem.field.startswith("spec.storage.root.source.http.")
        assert not folder.exists() or not list(folder.iterdir())
        return problem

    return refuses


@pytest.fixture(scope="session")
def small_qcow2(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A qcow2 image of a 2 MiB disk."""
    return made(tmp_path_factory.mktemp("small"), "qcow2", raw_disk(2 * MIB, filled=MIB))


@pytest.fixture(scope="session")
def large_qcow2(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A qcow2 image with 24 MiB of noise: several chunks."""
    return made(tmp_path_factory.mktemp("large"), "qcow2", raw_disk(32 * MIB, filled=24 * MIB))
