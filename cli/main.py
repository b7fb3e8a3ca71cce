"""`vmflow`: the stack of this machine, and the objects in it."""

import os
import sys

import typer

from cli import machine, objects, power, stories

app = typer.Typer(
    help="Virtual machines that live as durable Temporal workflows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for module in (machine, objects, power, stories):
    app.registered_commands += module.app.registered_commands


def main() -> None:
    """Run the command line."""
    run_and_leave(app)


def run_and_leave(command: typer.Typer) -> None:
    """Run a command line to its end, and end the process.

    The process ends without the interpreter's own tear-down: the SDK's native threads may still hold a thread state
    then, and Python aborts ("PyGILState_Release") although the command is done.
    """
    code = 0
    try:
        command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
