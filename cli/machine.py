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
    """Show the parts of this machine's stack. Ends with 0 when all are ready, 1 when some are not, 3 when none runs."""
    members = run(Stack(settings()).status())
    _show(members)
    raise typer.Exit(_health(members))


def _health(members: list[Member]) -> int:
    """Return how the stack stands as an exit code; 3 is the LSB's for a program that is not running.

    The machine's own libvirt may well run without us.
    """
    if all(each.ready for each in members):
        return 0
    return 1 if any(each.state == "running" for each in members) else 3


def _say(line: str) -> None:
    out.print(line, markup=False)


def _show(members: list[Member]) -> None:
    rows = [[each.name, each.state, str(each.ready), str(each.pid or ""), each.where] for each in members]
    typer.echo(grid([["NAME", "STATE", "READY", "PID", "WHERE"], *rows]))
