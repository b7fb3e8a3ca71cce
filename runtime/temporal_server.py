"""Finding a Temporal development server's program, from the nearest source to the farthest.

    python -m runtime.temporal_server ensure      prints the program's path; refusals go to standard error

The sources, in order: PATH; `~/go/bin`; this checkout's `.cache/bin` and the home folder's `bin`; the download that
Temporal's SDK makes; a build by Go's module proxy. A source that has nothing says so in one line and the next is asked.
With TEMPORAL_ADDRESS set nothing is needed, and nothing is looked for.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from temporalio.testing import WorkflowEnvironment

from domain.problem import Problem
from runtime.settings import Settings

PROGRAM = "temporal"
GO_MODULE = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
"""The newest release `go install` accepts: later ones carry a `replace` in their go.mod."""
DOWNLOAD_HOST = "https://temporal.download/"
_REACH_SECONDS = 15.0
_DOWNLOAD_SECONDS = 600.0
_BUILD_SECONDS = 1800.0
_PROOF_SECONDS = 30.0

Report = Callable[[str], None]
"""Takes one line for a person."""
Source = Callable[[Path], Path]
"""Returns the program, possibly put into the given cache folder; raises `Refusal`."""


class Refusal(Exception):
    """One source's reason, in one line, for not providing the program."""


def cache(settings: Settings) -> Path:
    """Return the folder that keeps a downloaded or built program: a checkout's `.cache/bin`, else `<home>/bin`."""
    checkout = Path(__file__).resolve().parent.parent
    ours = (checkout / "pyproject.toml").exists() and os.access(checkout, os.W_OK)
    return checkout / ".cache/bin" if ours else settings.home / "bin"


def ensure(settings: Settings, report: Report) -> Path:
    """Return a program that runs; downloads or builds one if need be, which may take minutes.

    report: gets every refusal and every slow step as a line.
    Raises Problem.terminal `TemporalServerMissing`.
    """
    folder = cache(settings)
    for name, source in _sources(settings, report):
        try:
            return _proven(source(folder))
        except Refusal as refusal:
            report(f"{name}: {refusal}")
    raise Problem.terminal(
        "TemporalServerMissing",
        "no source provides a Temporal development server; put the `temporal` program on PATH, install Go, or set "
        "TEMPORAL_ADDRESS to a server that runs elsewhere",
        field=PROGRAM,
    )


def _sources(settings: Settings, report: Report) -> Iterator[tuple[str, Source]]:
    yield "PATH", _on_path
    for folder in (Path.home() / "go/bin", cache(settings), settings.home / "bin"):
        yield str(folder), _in_folder(folder)
    yield "the SDK's download", _download
    yield "go install", lambda folder: _go_install(folder, report)


def _on_path(_folder: Path) -> Path:
    found = shutil.which(PROGRAM)
    if found is None:
        raise Refusal(f"has no program called {PROGRAM}")
    return Path(found)


def _in_folder(place: Path) -> Source:
    def look(_folder: Path) -> Path:
        found = place / PROGRAM
        if not os.access(found, os.X_OK):
            raise Refusal(f"has no program called {PROGRAM}")
        return found

    return look


def _download(folder: Path) -> Path:
    """Let the SDK download its own choice; asks first, in bounded time, whether the host can be reached at all."""
    try:
        httpx.head(DOWNLOAD_HOST, timeout=_REACH_SECONDS)
    except httpx.HTTPError as error:
        raise Refusal(f"{DOWNLOAD_HOST} cannot be reached ({error})") from error
    with _workshop(folder) as workshop:
        # In a process of its own: the SDK offers no download without a start, and no way to break one off cleanly.
        _run([sys.executable, "-m", "runtime.temporal_server", "download", workshop], _DOWNLOAD_SECONDS)
        programs = [file for file in Path(workshop).glob(f"{PROGRAM}*") if os.access(file, os.X_OK)]
        if len(programs) != 1:
            raise Refusal(f"left {len(programs)} programs instead of one")
        return _publish(programs[0], folder)


def _go_install(folder: Path, report: Report) -> Path:
    go = shutil.which("go")
    if go is None:
        raise Refusal("needs the program go, which is not on PATH")
    report(f"go install: builds {GO_MODULE}; this takes a few minutes")
    with _workshop(folder) as workshop:
        _run([go, "install", GO_MODULE], _BUILD_SECONDS, GOBIN=workshop)
        return _publish(Path(workshop) / PROGRAM, folder)


def _workshop(folder: Path) -> "tempfile.TemporaryDirectory[str]":
    """Make a folder on the cache's own file system, so that publishing is one rename."""
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=folder, prefix=f".{PROGRAM}-")


def _publish(program: Path, folder: Path) -> Path:
    """Give a finished program its name; two that finish at once publish the same thing."""
    return program.replace(folder / PROGRAM)


def _proven(program: Path) -> Path:
    """Return the program if it knows how to start a server: a file cut short, or another tool's namesake, does not."""
    _run([str(program), "server", "start-dev", "--help"], _PROOF_SECONDS)
    return program.absolute()


def _run(argv: list[str], seconds: float, **env: str) -> None:
    """Run to the end within bounded time; whatever goes wrong is a Refusal that ends in the program's last line."""
    try:
        subprocess.run(  # noqa: S603 (the arguments are a list; no shell sees them)
            argv,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise Refusal(f"{argv[0]} did not finish within {seconds:g} s") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise Refusal(f"{Path(argv[0]).name} ended with status {error.returncode}: {last}") from error
    except OSError as error:
        raise Refusal(str(error)) from error


def _ensure_and_print(settings: Settings) -> None:
    try:
        found = settings.external_address or ensure(settings, _tell)
    except Problem as problem:
        sys.exit(str(problem))
    print(found)  # noqa: T201 (a command's answer)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 (a command's progress)


async def download(folder: str) -> None:
    """Let the SDK put its program into the folder: it can only do so by starting it."""
    try:
        environment = await WorkflowEnvironment.start_local(download_dest_dir=folder)
    except RuntimeError as error:
        sys.exit(str(error))
    await environment.shutdown()


def main(arguments: list[str]) -> None:
    """Serve `ensure` (prints the path, or the address that makes one unnecessary) and `download FOLDER`."""
    match arguments:
        case ["ensure"]:
            _ensure_and_print(Settings())
        case ["download", folder]:
            asyncio.run(download(folder))
        case _:
            sys.exit("usage: python -m runtime.temporal_server ensure")


if __name__ == "__main__":
    main(sys.argv[1:])
