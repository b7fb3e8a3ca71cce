"""The `kubeconfig` command."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.session import out, settings
from domain.problem import Problem
from manifests.base import DEFAULT_NAMESPACE
from runtime import kubeconfig
from runtime.settings import Settings

app = typer.Typer()

TOKEN = "VMFLOW_TOKEN"  # noqa: S105 - the name of a variable


@app.command("kubeconfig")
def print_or_write(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it there, for its owner alone.")] = None,
    account: Annotated[str, typer.Option(help=f"For another account, whose token is in {TOKEN}.")] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace that is meant where none is named.")
    ] = DEFAULT_NAMESPACE,
    server: Annotated[
        str,
        typer.Option(help="Where others reach the gateway, as https://host:port (VMFLOW_GATEWAY_NAMES has the host)."),
    ] = "",
) -> None:
    """Print the configuration with which kubectl finds this machine's gateway."""
    found = settings()
    config = kubeconfig.document(found, *_who(found, account), namespace=namespace, server=server)
    if output is None:
        typer.echo(kubeconfig.text(config), nl=False)
        return
    kubeconfig.write(output.absolute(), config)
    out.print(f"export KUBECONFIG={output.absolute()}", markup=False)


def _who(found: Settings, account: str) -> tuple[str, str]:
    """Return the account and its token. A token never stands on a command line: every user of a machine sees those."""
    if account:
        token = os.environ.get(TOKEN, "")
        if not token:
            raise Problem.terminal("NoToken", f"put the account's token into the variable {TOKEN}", field=account)
        return account, token
    kept = kubeconfig.read(found)
    if kept is None:
        raise Problem.terminal(
            "NoKubeconfig",
            "no token is kept on this machine; `vmflow up` keeps the first one, and `vmflow account` makes others",
            field=str(kubeconfig.path(found)),
        )
    return kept
