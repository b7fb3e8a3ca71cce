"""`vmflow account`: who may use the gateway, and for what."""

from typing import Annotated

import typer

from cli.options import DEFAULT_NAMESPACE, AllNamespaces
from cli.session import err, with_objects
from cli.ways import Way
from domain.access import EVERYWHERE, Grant, Role
from manifests.registry import parse
from runtime import accounts

app = typer.Typer(help="Who may use the gateway, and for what.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]


@app.command()
def create(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the account is: viewer, editor or admin.")],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace in which it is that.")
    ] = DEFAULT_NAMESPACE,
    every: AllNamespaces = False,
) -> None:
    """Create an account and print its token, this once: only a hash of it is kept."""
    grant = Grant(namespace=EVERYWHERE if every else namespace, role=role)
    parse(accounts.account(name, accounts.new_token(), [grant]))  # what is wrong is told before anything is made

    async def command(objects: Way) -> str:
        return await accounts.create(objects, name, [grant])

    _show(with_objects(command), f"account/{name} created")


@app.command()
def token(name: Name) -> None:
    """Give an account another token and print it; the one before is worth nothing from now on."""

    async def command(objects: Way) -> str:
        return await accounts.renew(objects, name)

    _show(with_objects(command), f"account/{name} has a new token")


def _show(secret: str, what: str) -> None:
    """Print a token where a script can take it, and what it is beside that."""
    err.print(f"{what}; this is its token, which is not shown again:")
    typer.echo(secret)
