"""One command's session: settings, the way to the objects, and trouble told in one line."""

import asyncio
import getpass
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from temporalio.service import RPCError

from cli.by_gateway import ByGateway
from cli.by_temporal import ByTemporal
from cli.cluster import cluster
from cli.gateway import opened
from cli.ways import Way
from domain.problem import Problem
from runtime.client import connect
from runtime.logs import configure
from runtime.objects import CODES, Objects
from runtime.sealing import Keyring
from runtime.settings import PREFIX, Settings

_T = TypeVar("_T")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def settings() -> Settings:
    """Return the settings, with logging set up for a command: only what a person must see.

    Raises Problem.terminal `InvalidSettings` that names the environment variables at fault.
    """
    try:
        found = Settings()
    except ValidationError as error:
        causes = [f"{PREFIX}{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        raise Problem.terminal("InvalidSettings", "; ".join(causes)) from None
    configure(found.model_copy(update={"log_level": "warning"}))
    return found


def run(command: Awaitable[_T]) -> _T:
    """Run a command to its end. What Temporal refuses comes out as Problem.retry `TemporalTrouble`."""

    async def main() -> _T:
        return await command

    try:
        return asyncio.run(main())
    except RPCError as error:
        raise Problem.retry("TemporalTrouble", f"the Temporal server says: {error.message}") from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


_REACH = 3.0
"""Seconds a command waits at most for the Temporal server to be there."""


def with_objects(command: Callable[[Way], Awaitable[_T]]) -> _T:
    """Run a command that needs the objects."""

    async def main() -> _T:
        async with reached(settings()) as objects:
            return await command(objects)

    return run(main())


@asynccontextmanager
async def reached(found: Settings, *, patience: float | None = None) -> AsyncIterator[Way]:
    """Give the way to the objects: by the gateway whose kubeconfig the settings name, else by Temporal.

    patience: seconds to wait at most for an answer, where less than usual.
    """
    if found.kubeconfig is None:
        client = await connect(found, patience=_REACH if patience is None else patience)
        yield ByTemporal(Objects(client, Keyring(found.keys)))
    else:
        async with opened(cluster(str(found.kubeconfig)), patience=patience) as gateway:
            yield ByGateway(gateway)


def tell(problem: Problem) -> None:
    """Tell trouble in one line on standard error: its reason, with the code Kubernetes' clients know it by."""
    code = f"{CODES[problem.reason]} " if problem.reason in CODES else ""
    err.print(f"[red]Error[/] ({code}{problem.reason}): {_escaped(str(problem))}")


def who() -> str:
    """Return who asks, as `user@host`: shown beside what they asked for."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:253]


def interactive() -> bool:
    """Return whether a person watches: moving progress is for terminals only."""
    return sys.stdout.isatty()


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
