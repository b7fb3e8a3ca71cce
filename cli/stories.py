"""Commands that tell what happened: events, console."""

from collections.abc import Iterable
from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from cli.options import Machine, Namespace
from cli.session import out, with_objects
from cli.terminal import console as attach
from domain.channel import Endpoint
from runtime.story import Line

app = typer.Typer()

_STYLES = {"asked": "cyan", "step": "dim", "done": "green", "trouble": "red", "status": "bold"}


@app.command()
def events(name: Machine, namespace: Namespace = "") -> None:
    """Tell a VM's story from its history, oldest first, as far back as the server keeps it."""
    show(with_objects(lambda objects: objects.story(name, namespace)))


def show(story: Iterable[Line]) -> None:
    """Print a story, a line each."""
    for line in story:
        out.print(Text(f"{line.at:%Y-%m-%d %H:%M:%SZ}  {line.kind:8}", "dim"), Text(line.text, _STYLES[line.kind]))


@app.command()
def console(
    name: Machine,
    namespace: Namespace = "",
    log: Annotated[bool, typer.Option("--log", help="Print what the serial console showed since power-on.")] = False,
    limit: Annotated[int, typer.Option(help="Bytes from the end.", min=1, max=1048576)] = 65536,
) -> None:
    """Connect to the serial console; Ctrl+] leaves."""
    if log:
        typer.echo(with_objects(lambda objects: objects.console_log(name, namespace, limit)))
    else:
        with_objects(lambda objects: attach(partial(objects.channel, name, namespace, Endpoint.CONSOLE), name))
