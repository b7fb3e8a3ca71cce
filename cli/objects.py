"""Commands over objects: apply, get, describe, delete."""

import asyncio
from typing import Annotated

import typer

from cli.documents import Document, read_checked
from cli.options import (
    AllNamespaces,
    Files,
    FilesNamespace,
    GracePeriod,
    KindWord,
    MaybeKindWord,
    Names,
    Namespace,
    Output,
    Target,
    Timeout,
    targets,
)
from cli.render import Format, description, dig, reference, table, text
from cli.session import out, tell, who, with_objects
from cli.waiting import deadline, gone
from cli.ways import Way
from domain.access import EVERYWHERE
from domain.problem import Problem, Verdict
from manifests.contract import DeleteRequest
from manifests.registry import kind_of

app = typer.Typer()


@app.command()
def apply(files: Files = None, namespace: FilesNamespace = None) -> None:
    """Create or edit what manifests declare; every one is checked before the first is applied.

    What of an edited VM can change while it runs does; the rest waits for its next power-on (RestartRequired).
    """
    if not files:
        raise typer.BadParameter("name a manifest, a folder of manifests, or - for standard input", param_hint="-f")
    documents = read_checked(files, namespace)

    async def command(objects: Way) -> bool:
        return all([await _applied(objects, document) for document in documents])

    if not with_objects(command):
        raise typer.Exit(1)


async def _applied(objects: Way, document: Document) -> bool:
    """Apply one manifest; return whether it was accepted. One that is refused does not keep the others back."""
    try:
        out.print(f"{reference(document)} {await objects.apply(document, by=who())}")
    except Problem as problem:
        if problem.verdict is not Verdict.TERMINAL:
            raise
        tell(problem)
        return False
    return True


@app.command()
def get(
    kind: KindWord,
    names: Names = None,
    namespace: Namespace = "",
    every: AllNamespaces = False,
    output: Output = Format.TABLE,
) -> None:
    """Show objects."""
    wanted = targets(kind, names)
    single = len(wanted) == 1 and bool(wanted[0].name)

    async def command(objects: Way) -> tuple[list[Document], str]:
        await _note_who_is_missing(objects, wanted)
        where = namespace or objects.namespace
        if not wanted[0].name:
            return await objects.list(wanted[0].kind, EVERYWHERE if every else where), where
        return [await objects.get(each.kind, each.name, where) for each in wanted], where

    documents, place = with_objects(command)
    if output in {Format.JSON, Format.YAML}:
        typer.echo(text(documents, output, single=single))
    elif not documents:
        where = f" in namespace {place}" if wanted[0].kind.namespaced and not every else ""
        typer.echo(f"No {wanted[0].kind.plural} found{where}.", err=True)
    elif output is Format.NAME:
        typer.echo("\n".join(reference(each) for each in documents))
    else:
        typer.echo(_tables(documents, wide=output is Format.WIDE, namespaces=every))


@app.command()
def describe(kind: KindWord, names: Names = None, namespace: Namespace = "") -> None:
    """Show everything about objects."""
    wanted = targets(kind, names)

    async def command(objects: Way) -> list[Document]:
        await _note_who_is_missing(objects, wanted)
        if not wanted[0].name:
            return await objects.list(wanted[0].kind, namespace)
        return [await objects.get(each.kind, each.name, namespace) for each in wanted]

    typer.echo("\n\n".join(description(document) for document in with_objects(command)))


@app.command()
def delete(
    kind: MaybeKindWord = "",
    names: Names = None,
    files: Files = None,
    namespace: FilesNamespace = None,
    wait: Annotated[bool, typer.Option(help="Wait until they are gone.")] = True,
    timeout: Timeout = 300.0,
    ignore_not_found: Annotated[
        bool, typer.Option("--ignore-not-found", help="Objects that are gone already are fine.")
    ] = False,
    grace: GracePeriod = None,
) -> None:
    """Delete objects, and everything that was built for them."""
    documents = read_checked(files or [], namespace)
    doomed = [(Target(kind_of(each), each["metadata"]["name"]), _namespace(each)) for each in documents]
    if kind:
        doomed += [(each, namespace or "") for each in targets(kind, names)]
    if not doomed or not all(each.name for each, _ in doomed):
        raise typer.BadParameter("name a kind and objects (vs web), or a file with -f")

    async def command(objects: Way) -> None:
        missing: list[Problem] = []
        request = DeleteRequest(grace=grace, by=who())
        asked = [each for each in doomed if await _ask_to_go(objects, *each, request, missing)]
        for target, where in asked:
            if wait:
                with deadline(target.kind, target.name, timeout):
                    async with asyncio.timeout(timeout):
                        await gone(objects, target.kind, target.name, where)
            out.print(f"{target.kind.kind.lower()}/{target.name} {'deleted' if wait else 'is being deleted'}")
        if missing and not ignore_not_found:
            raise Problem.terminal("NotFound", "; ".join(each.message for each in missing))

    with_objects(command)


async def _note_who_is_missing(objects: Way, wanted: list[Target]) -> None:
    """Say on standard error when nobody keeps what is shown up to date."""
    for kind in {each.kind.queue: each.kind for each in wanted}.values():
        if missing := await objects.unserved(kind):
            typer.echo(f"Warning: {missing}", err=True)


async def _ask_to_go(
    objects: Way, target: Target, namespace: str, request: DeleteRequest, missing: list[Problem]
) -> bool:
    """Ask an object to go; return whether there was one, and note the problem otherwise."""
    try:
        await objects.delete(target.kind, target.name, namespace, request)
    except Problem as problem:
        if problem.reason != "NotFound":
            raise
        missing.append(problem)
        return False
    return True


def _namespace(document: Document) -> str:
    return str(dig(document, "metadata", "namespace"))


def _tables(documents: list[Document], *, wide: bool, namespaces: bool) -> str:
    """Return one table for each kind, in the order the kinds come."""
    kinds = dict.fromkeys(document["kind"] for document in documents)
    groups = [[document for document in documents if document["kind"] == kind] for kind in kinds]
    return "\n\n".join(table(kind_of(group[0]), group, wide=wide, namespaces=namespaces) for group in groups)
