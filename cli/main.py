"""`vmflow`: the stack of this machine, and the objects in it."""

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
    app()


if __name__ == "__main__":
    main()
