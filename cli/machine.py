"""Commands over this machine's stack: up, down, status."""

from typing import Annotated

import typer

from cli.render import grid
from cli.session import out, run, settings
from runtime.stack import Member, Stack

app = typer.Typer()


@app.command()
def up() -> None:
    """Start what this machine needs (Temporal, libvirt, workers), and declare it as a zone and a hypervisor."""
    found = settings()
    members = run(Stack(found).up(_say))
    _show(members)
    out.print(f"Temporal UI: http://127.0.0.1:{found.ui_port}  manifests of this machine: {found.manifests}")


@app.command()
def down(
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove the storage pool and the network; delete all VMs first.")
    ] = False,
) -> None:
    """Stop what `up` started. Guests go on; their VMs live on in the database."""
    run(Stack(settings()).down(_say, purge=purge))


@app.command()
def status() -> None:
    """Show the parts of this machine's stack."""
    _show(run(Stack(settings()).status()))


def _say(line: str) -> None:
    out.print(line, markup=False)


def _show(members: list[Member]) -> None:
    rows = [[each.name, each.state, str(each.ready), str(each.pid or ""), each.where] for each in members]
    typer.echo(grid([["NAME", "STATE", "READY", "PID", "WHERE"], *rows]))
