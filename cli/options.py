"""Options that several commands share, named as kubectl names them, with completion of kinds and names."""

import asyncio
from collections.abc import Iterator
from typing import Annotated

import typer

from cli.render import Format
from domain.problem import Problem
from manifests.base import DEFAULT_NAMESPACE
from manifests.registry import KINDS, Kind, kind_called
from runtime.client import connect
from runtime.objects import Objects
from runtime.settings import Settings

_COMPLETION_PATIENCE = 1.0
"""Seconds a shell waits at most for names to complete."""


def _kinds(start: str) -> Iterator[str]:
    return (kind.plural for kind in KINDS if kind.plural.startswith(start))


def _machines(start: str) -> list[str]:
    return _names(kind_called("virtualservers"), start)


def _objects(context: typer.Context, start: str) -> list[str]:
    return _names(kind_called(context.params.get("kind") or "virtualservers"), start)


def _names(kind: Kind, start: str) -> list[str]:
    async def names() -> list[str]:
        objects = Objects(await connect(Settings(), patience=_COMPLETION_PATIENCE))
        return [each["metadata"]["name"] for each in await objects.list(kind)]

    try:
        return [name for name in asyncio.run(names()) if name.startswith(start)]
    except Problem:
        return []  # a shell that completes has nowhere to show trouble; the command itself will


def kind_named(word: str) -> Kind:
    """Return the kind a word on the command line means."""
    try:
        return kind_called(word)
    except KeyError as error:
        raise typer.BadParameter(error.args[0]) from error


_KINDS = "What: vs, images, hypervisors, zones."

KindWord = Annotated[
    str, typer.Argument(metavar="KIND", help="What: vs, images, hypervisors, zones.", autocompletion=_kinds)
]
Machine = Annotated[str, typer.Argument(metavar="NAME", help="Name of the VM.", autocompletion=_machines)]
Named = Annotated[str, typer.Argument(metavar="NAME", help="Name of the object.", autocompletion=_objects)]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the object.")]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of every namespace.")]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait at most.")]
Files = Annotated[
    list[str] | None,
    typer.Option("--filename", "-f", help="A manifest, a folder of manifests, or - for standard input."),
]

__all__ = [
    "DEFAULT_NAMESPACE",
    "AllNamespaces",
    "Files",
    "KindWord",
    "Machine",
    "Named",
    "Namespace",
    "Output",
    "Timeout",
    "kind_named",
]
