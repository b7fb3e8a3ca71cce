"""Options that several commands share, named as kubectl names them, with completion of kinds and names."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import typer
from temporalio.service import RPCError

from cli.render import Format
from cli.session import reached, settings
from domain.access import EVERYWHERE
from domain.machine import GRACE_LIMIT
from domain.problem import Problem
from manifests.base import DEFAULT_NAMESPACE
from manifests.registry import KINDS, Kind, kind_called

_COMPLETION_PATIENCE = 1.0
"""Seconds a shell waits at most for names to complete."""


class Target(NamedTuple):
    """An object on the command line; without a name, all of the kind."""

    kind: Kind
    name: str = ""


def kind_named(word: str) -> Kind:
    """Return the kind a word on the command line means."""
    try:
        return kind_called(word)
    except KeyError as error:
        raise typer.BadParameter(error.args[0]) from error


def targets(kind: str, names: list[str] | None) -> list[Target]:
    """Return what is meant, written in either of kubectl's ways: `vs web db`, or `vs/web images/debian`."""
    if "/" not in kind:
        return [Target(kind_named(kind), name) for name in names or []] or [Target(kind_named(kind))]
    parts = [word.partition("/") for word in (kind, *(names or []))]
    if not all(name for _, _, name in parts):
        raise typer.BadParameter("after KIND/NAME, every object is written as KIND/NAME")
    return [Target(kind_named(word), name) for word, _, name in parts]


GracePeriod = Annotated[
    int | None,
    typer.Option(
        "--grace-period",
        min=0,
        max=GRACE_LIMIT,
        metavar="SECONDS",
        help="How long the guest may take to shut itself down before it is powered off; else as it is declared.",
    ),
]


def _machine(word: str) -> str:
    """Accept `vs/web` where a VM's name is wanted: that is how commands print it."""
    kind, _, name = word.rpartition("/")
    if kind and kind_named(kind) != kind_called("virtualservers"):
        raise typer.BadParameter(f"{word} is not a VM")
    return name


def _kinds(start: str) -> Iterator[str]:
    return (kind.plural for kind in KINDS if kind.plural.startswith(start))


def _machines(start: str) -> list[str]:
    return _names("virtualservers", start)


def _objects(context: typer.Context, start: str) -> list[str]:
    return _names(context.params.get("kind") or "virtualservers", start)


def _names(kind: str, start: str) -> list[str]:
    async def names() -> list[str]:
        async with reached(settings(), patience=_COMPLETION_PATIENCE) as objects:
            return [each["metadata"]["name"] for each in await objects.list(kind_called(kind), EVERYWHERE)]

    try:
        return [name for name in asyncio.run(names()) if name.startswith(start)]
    except (Problem, RPCError, KeyError):
        return []  # a shell that completes has nowhere to show trouble; the command itself will


_WHAT = "What: vs, images, hypervisors, zones; or KIND/NAME."

KindWord = Annotated[str, typer.Argument(metavar="KIND", help=_WHAT, autocompletion=_kinds)]
MaybeKindWord = Annotated[str, typer.Argument(metavar="KIND", help=_WHAT, autocompletion=_kinds)]
Machine = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the VM.", autocompletion=_machines, callback=_machine)
]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names of objects.", autocompletion=_objects)]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace of the object; otherwise the kubeconfig's, else default.")
]
FilesNamespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace; for manifests, of those that name none.")
]
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
    "FilesNamespace",
    "KindWord",
    "Machine",
    "MaybeKindWord",
    "Names",
    "Namespace",
    "Output",
    "Target",
    "Timeout",
    "targets",
]
