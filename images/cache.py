"""The image cache of one hypervisor: a folder in which `<key>.qcow2` is always whole, verified and safe to clone."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from domain.image import ImageFacts, ImageSource
from domain.problem import Problem
from images import refusal
from images.importing import Import, Wanted
from images.layout import SUFFIXES, Files
from images.lock import only_one
from images.policy import FetchPolicy
from images.pulse import Beat, Pulse


class ImageCache:
    """Imports, finds and removes images. Safe to use from many threads and processes at once; calls block."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def lookup(self, key: str) -> ImageFacts | None:
        """Return what is cached under a key; None unless the image is published, whole, and has its facts."""
        files = Files(self._directory, key)
        try:
            facts = ImageFacts.model_validate_json(files.facts.read_bytes())
            return facts if files.image.stat().st_size == facts.size else None
        except (FileNotFoundError, ValidationError):
            return None

    def ensure(self, key: str, source: ImageSource, *, policy: FetchPolicy, beat: Beat) -> ImageFacts:
        """Return the facts of the image, importing it unless it is cached; goes on where an earlier attempt ended.

        beat: called at least once a second; what it raises ends the import promptly and leaves it resumable.
        Raises Problem: terminal and retryable reasons are listed in `images.refusal`; `ImageBusy` at once when another
        thread or process imports the same image; wait `NoSpace` when the disk is full, with the room given back.
        """
        wanted = Wanted(source, policy)
        files = Files(self._directory, key)
        facts = self.lookup(key)
        if facts is None:
            return self._import(files, wanted, policy, beat)
        if files.unfinished():
            _tidy(files)
        return facts

    def remove(self, key: str, *, users: Callable[[], list[str]] = list) -> None:
        """Remove an image and whatever an import of it left; removing what is gone succeeds.

        users: names what leans on the image. It is asked while the image is out of sight, so nobody can begin to.
        Raises Problem.retry `ImageBusy` while an import of it runs, Problem.wait `ImageInUse` while there are users.
        """
        files = Files(self._directory, key)
        if not (files.published() or files.unfinished()):
            return
        with only_one(files.lock):
            files.set_aside()
            try:
                in_use = users()
            except BaseException:
                files.put_back()
                raise
            if in_use:
                files.put_back()
                raise refusal.in_use(key, in_use)
            files.discard_published()
            files.discard_partials()

    def partials(self) -> list[str]:
        """Name every file here that belongs to no published image: the audit's question."""
        paths = self._directory.iterdir() if self._directory.exists() else ()
        return sorted(path.name for path in paths if path.name.endswith(SUFFIXES) and not self._is_published(path))

    def _import(self, files: Files, wanted: Wanted, policy: FetchPolicy, beat: Beat) -> ImageFacts:
        self._directory.mkdir(parents=True, exist_ok=True)
        with only_one(files.lock) as lock:
            files.put_back()
            # Another import may have published it between the first look and the lock.
            facts = self.lookup(files.key)
            if facts is None:
                pulse = Pulse(beat, deadline=policy.deadline)
                return Import(files, wanted, policy=policy, pulse=pulse, lock=lock).run()
            return facts

    def _is_published(self, path: Path) -> bool:
        return path.suffix in {".qcow2", ".json"} and self.lookup(path.stem) is not None


def _tidy(files: Files) -> None:
    """Remove what an import left that was killed right after publication; one that is still at it does so itself."""
    with suppress(Problem), only_one(files.lock):
        files.discard_partials()
