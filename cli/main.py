"""`vmflow`: the stack of this machine, and the objects in it."""

import os
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

import typer

from cli import account, kubeconfig, machine, objects, orphans, power, stories, waiting, why
from cli.session import tell
from domain.problem import Problem

app = typer.Typer(
    help="Virtual machines that live as durable Temporal workflows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for module in (machine, kubeconfig, objects, waiting, power, why, stories, orphans):
    app.registered_commands += module.app.registered_commands
app.add_typer(account.app, name="account")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if wanted:
        typer.echo(f"vmflow {version('vmflow')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Virtual machines that live as durable Temporal workflows."""


def main() -> None:
    """Run the command line."""
    run_and_leave(app)


def run_and_leave(command: typer.Typer) -> None:
    """Run a command line to its end, and end the process; a Problem is one line on standard error and exit code 1.

    The process ends without the interpreter's own tear-down: the SDK's native threads may still hold a thread state
    then, and Python aborts ("PyGILState_Release") although the command is done.
    """
    code = 0
    try:
        command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except Problem as problem:
        tell(problem)
        code = 1
    with suppress(BrokenPipeError):  # whoever reads has seen enough, as `head` does
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
