"""The `wait` command, and waiting for objects to go."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli.follow import failure, follow, holding
from cli.options import Machine, Namespace, Timeout
from cli.progress import show
from cli.session import out, with_objects
from cli.ways import Way
from domain.problem import Problem
from domain.status import ConditionType, PrintableStatus
from manifests.registry import Kind, kind_called
from runtime.wait import until

app = typer.Typer()

_VM = kind_called("virtualservers")
_DELETED = "deleted"
_AIMS = {aim.lower(): aim for aim in [*map(str, ConditionType), *map(str, PrintableStatus), _DELETED]}
"""What can be waited for: a condition that is true, a printable status, or the end."""


def _aim(word: str) -> str:
    """Accept what kubectl's users write as well: `condition=Ready` and `delete`."""
    plain = word.lower().removeprefix("condition=")
    aim = _AIMS.get(_DELETED if plain == "delete" else plain)
    if aim is None:
        raise typer.BadParameter(f"nothing is ever {word!r}; possible are {', '.join(_AIMS.values())}")
    return aim


def _aims(start: str) -> list[str]:
    return [aim for aim in _AIMS.values() if aim.lower().startswith(start.lower())]


@app.command()
def wait(
    name: Machine,
    condition: Annotated[
        str,
        typer.Option(
            "--for", help="Ready, a printable status such as Stopped, or deleted.", callback=_aim, autocompletion=_aims
        ),
    ] = "Ready",
    namespace: Namespace = "",
    timeout: Timeout = 600.0,
) -> None:
    """Wait until a VM is where it is wanted, showing what it does meanwhile; a failure ends the wait."""

    async def command(objects: Way) -> None:
        with deadline(_VM, name, timeout):
            async with asyncio.timeout(timeout):
                if condition == _DELETED:
                    await gone(objects, _VM, name, namespace)
                else:
                    await _reached(objects, name, namespace, condition)

    with_objects(command)
    out.print(f"virtualserver/{name} {condition}")


async def gone(objects: Way, kind: Kind, name: str, namespace: str) -> None:
    """Return when there is no such object."""

    async def is_gone() -> bool:
        try:
            await objects.get(kind, name, namespace)
        except Problem as problem:
            if problem.reason != "NotFound":
                raise
            return True
        return False

    await until(is_gone, every=0.2)


@contextmanager
def deadline(kind: Kind, name: str, seconds: float) -> Iterator[None]:
    """Turn a TimeoutError into Problem.retry `Timeout` that says where to look."""
    try:
        yield
    except TimeoutError as error:
        look = f"vmflow why {name}" if kind is _VM else f"vmflow describe {kind.plural} {name}"
        message = f"not there after {seconds:g} s; `{look}` says what it waits for"
        raise Problem.retry("Timeout", message, field=f"{kind.kind.lower()}/{name}") from error


async def _reached(objects: Way, name: str, namespace: str, condition: str) -> None:
    with show(name) as progress:
        async for document, now in follow(objects, name, namespace):
            progress(now)
            if condition in {*holding(document), now.status}:
                return
            failed = failure(document)
            if failed is not None:
                raise failed
