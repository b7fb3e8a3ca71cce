"""Removing an image that disks lean on."""

from pathlib import Path

import pytest

from domain.problem import Problem, Verdict
from images.cache import ImageCache
from tests.image_server import ImageServer
from tests.images.conftest import KEY, Ensure
from tests.images.making import raw_disk


@pytest.fixture
def imported(server: ImageServer, cache: ImageCache, ensure: Ensure) -> ImageCache:
    ensure(server.serve("/disk.raw", raw_disk()))
    return cache


def test_an_image_in_use_stays_and_the_refusal_names_who_uses_it(imported: ImageCache, folder: Path) -> None:
    with pytest.raises(Problem, match="first is guest-1's") as refused:
        imported.remove(KEY, users=lambda: ["guest-1", "guest-2"])
    assert (refused.value.reason, refused.value.verdict) == ("ImageInUse", Verdict.WAIT)
    assert imported.lookup(KEY) is not None


def test_while_users_are_asked_for_nobody_can_begin_to_lean_on_it(imported: ImageCache, folder: Path) -> None:
    seen = []

    def users() -> list[str]:
        seen.append((folder / f"{KEY}.qcow2").exists())
        return []

    imported.remove(KEY, users=users)
    assert seen == [False]
    assert list(folder.iterdir()) == []


def test_an_image_whose_users_cannot_be_named_stays(imported: ImageCache, folder: Path) -> None:
    def unknown() -> list[str]:
        raise Problem.retry("HypervisorUnreachable", "nobody answers")

    with pytest.raises(Problem, match="nobody answers"):
        imported.remove(KEY, users=unknown)
    assert imported.lookup(KEY) is not None


def test_an_image_set_aside_by_a_killed_removal_comes_back(imported: ImageCache, folder: Path) -> None:
    (folder / f"{KEY}.qcow2").rename(folder / f"{KEY}.leaving")
    assert imported.lookup(KEY) is None
    assert imported.partials() == [f"{KEY}.json", f"{KEY}.leaving"]
    with pytest.raises(Problem, match="lean on it"):
        imported.remove(KEY, users=lambda: ["guest-1"])
    assert imported.lookup(KEY) is not None
