"""Commands over a VM's power: start, stop, restart."""

from typing import Annotated
from uuid import uuid4

import typer

from cli.options import DEFAULT_NAMESPACE, Machine, Namespace
from cli.session import out, with_objects
from manifests.contract import PowerRequest, Update

app = typer.Typer()

Force = Annotated[bool, typer.Option("--force", help="Power off without asking the guest.")]
RequestId = Annotated[str, typer.Option("--request-id", help="Repeating a request with its id does nothing twice.")]


@app.command()
def start(name: Machine, namespace: Namespace = DEFAULT_NAMESPACE, request: RequestId = "") -> None:
    """Start a VM."""
    _ask(Update.START, name, namespace, PowerRequest(request=request or str(uuid4())))


@app.command()
def stop(
    name: Machine,
    namespace: Namespace = DEFAULT_NAMESPACE,
    force: Force = False,
    request: RequestId = "",
) -> None:
    """Stop a VM: ask its agent, then ACPI, and after the grace period power it off."""
    _ask(Update.STOP, name, namespace, PowerRequest(request=request or str(uuid4()), force=force))


@app.command()
def restart(
    name: Machine,
    namespace: Namespace = DEFAULT_NAMESPACE,
    force: Force = False,
    request: RequestId = "",
) -> None:
    """End the running incarnation and start another."""
    _ask(Update.RESTART, name, namespace, PowerRequest(request=request or str(uuid4()), force=force))


def _ask(update: Update, name: str, namespace: str, request: PowerRequest) -> None:
    answer = with_objects(lambda objects: objects.operate(update, request, name, namespace))
    out.print(f"virtualserver/{name} {update} accepted; run strategy {answer.run_strategy}")
