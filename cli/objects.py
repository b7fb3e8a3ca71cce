"""Commands over objects: apply, get, describe, delete, wait."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli.documents import read
from cli.follow import follow
from cli.options import (
    DEFAULT_NAMESPACE,
    AllNamespaces,
    Files,
    KindWord,
    Machine,
    Named,
    Namespace,
    Output,
    Timeout,
    kind_named,
)
from cli.progress import show
from cli.render import Format, description, dig, table, text
from cli.session import out, with_objects
from domain.problem import Problem
from manifests.registry import Kind, kind_called, kind_of, parse
from runtime.objects import Document, Objects
from runtime.wait import until

app = typer.Typer()

_VM = kind_called("virtualservers")


@app.command()
def apply(files: Files) -> None:
    """Create what manifests declare; every one is checked before the first is applied."""
    documents = [document for file in files or [] for document in read(file)]
    for document in documents:
        parse(document)

    async def command(objects: Objects) -> None:
        for document in documents:
            applied = await objects.apply(document)
            out.print(f"{kind_of(document).kind.lower()}/{document['metadata']['name']} {applied}")

    with_objects(command)


@app.command()
def get(
    kind: KindWord,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One object; all when left out.")] = "",
    namespace: Namespace = DEFAULT_NAMESPACE,
    every: AllNamespaces = False,
    output: Output = Format.TABLE,
) -> None:
    """Show objects."""
    wanted = kind_named(kind)

    async def command(objects: Objects) -> list[Document]:
        if name:
            return [await objects.get(wanted, name, namespace)]
        return await objects.list(wanted, "" if every else namespace)

    documents = with_objects(command)
    if output in {Format.JSON, Format.YAML}:
        typer.echo(text(documents, output, single=bool(name)))
    elif documents:
        typer.echo(table(wanted, documents, wide=output is Format.WIDE, namespaces=every))
    else:
        typer.echo(f"No {wanted.plural} found.", err=True)


@app.command()
def describe(kind: KindWord, name: Named, namespace: Namespace = DEFAULT_NAMESPACE) -> None:
    """Show everything about one object."""
    wanted = kind_named(kind)
    typer.echo(description(with_objects(lambda objects: objects.get(wanted, name, namespace))))


@app.command()
def delete(
    kind: Annotated[str, typer.Argument(metavar="[KIND]", help="What: vs, images, hypervisors, zones.")] = "",
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Name of the object.")] = "",
    files: Files = None,
    namespace: Namespace = DEFAULT_NAMESPACE,
    wait: Annotated[bool, typer.Option(help="Wait until they are gone.")] = True,
    timeout: Timeout = 300.0,
) -> None:
    """Delete objects, and everything that was built for them."""
    documents = [document for file in files or [] for document in read(file)]
    doomed = [(kind_of(each), each["metadata"]["name"], dig(each, "metadata", "namespace")) for each in documents]
    if kind and name:
        doomed.append((kind_named(kind), name, namespace))
    if not doomed:
        raise typer.BadParameter("name a kind and an object, or a file with -f")

    async def command(objects: Objects) -> None:
        for each, called, where in doomed:
            await objects.delete(each, called, where or DEFAULT_NAMESPACE)
        for each, called, where in doomed:
            if wait:
                with _deadline(called, timeout):
                    async with asyncio.timeout(timeout):
                        await _gone(objects, each, called, where or DEFAULT_NAMESPACE)
            out.print(f"{each.kind.lower()}/{called} deleted")

    with_objects(command)


@app.command()
def wait(
    name: Machine,
    condition: Annotated[
        str, typer.Option("--for", help="Ready, a printable status such as Stopped, or deleted.")
    ] = "Ready",
    namespace: Namespace = DEFAULT_NAMESPACE,
    timeout: Timeout = 600.0,
) -> None:
    """Wait until a VM is where it is wanted, showing what it does meanwhile; a failure ends the wait."""

    async def command(objects: Objects) -> None:
        with _deadline(name, timeout):
            async with asyncio.timeout(timeout):
                if condition == "deleted":
                    await _gone(objects, _VM, name, namespace)
                else:
                    await _reached(objects, name, namespace, condition)

    with_objects(command)
    out.print(f"virtualserver/{name} {condition}")


async def _reached(objects: Objects, name: str, namespace: str, condition: str) -> None:
    with show(name) as progress:
        async for document, now in follow(objects, name, namespace):
            progress(now)
            true = {each["type"] for each in dig(document, "status", "conditions") or [] if each["status"] == "True"}
            if condition in true | {now.status}:
                return
            if "Failure" in true:
                raise Problem.terminal(
                    dig(document, "status", "reason"),
                    f"{dig(document, 'status', 'message')} (vmflow why {name} tells more)",
                    field=name,
                )


async def _gone(objects: Objects, kind: Kind, name: str, namespace: str) -> None:
    async def gone() -> bool:
        try:
            await objects.describe(kind, name, namespace)
        except Problem as problem:
            if problem.reason != "NotFound":
                raise
            return True
        return False

    await until(gone, every=0.2)


@contextmanager
def _deadline(name: str, seconds: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        message = f"not there after {seconds:g} s; `vmflow why {name}` says what it waits for"
        raise Problem.retry("Timeout", message, field=name) from error
