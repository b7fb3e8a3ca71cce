"""One command's session: settings, a Temporal client, and trouble told in one line."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from rich.console import Console

from domain.problem import Problem
from runtime.client import connect
from runtime.logs import configure
from runtime.objects import Objects
from runtime.settings import Settings

_T = TypeVar("_T")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def settings() -> Settings:
    """Return the settings, with logging set up for a command: only what a person must see."""
    found = Settings()
    configure(found.model_copy(update={"log_level": "warning"}))
    return found


def run(command: Awaitable[_T]) -> _T:
    """Run a command to its end; a Problem becomes one line on standard error and exit code 1."""

    async def main() -> _T:
        return await command

    try:
        return asyncio.run(main())
    except Problem as problem:
        err.print(f"[red]Error[/] ({problem.reason}): {_escaped(str(problem))}")
        raise typer.Exit(1) from problem
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def with_objects(command: Callable[[Objects], Awaitable[_T]]) -> _T:
    """Run a command that needs the objects."""

    async def main() -> _T:
        return await command(Objects(await connect(settings())))

    return run(main())


def interactive() -> bool:
    """Return whether a person watches: moving progress is for terminals only."""
    return sys.stdout.isatty()


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
