"""Commands over a VM's power: every operation is one row."""

from collections.abc import Callable
from typing import Annotated, NamedTuple
from uuid import uuid4

import typer

from cli.options import GracePeriod, Machine, Namespace
from cli.session import out, who, with_objects
from manifests.contract import PowerRequest, Update

app = typer.Typer()

Force = Annotated[bool, typer.Option("--force", help="Power off without asking the guest.")]
RequestId = Annotated[str, typer.Option("--request-id", help="Repeating a request with its id does nothing twice.")]


class Verb(NamedTuple):
    """An operation: its command, the update that asks for it, what it does, and whether it can be forced."""

    command: str
    update: Update
    does: str
    forced: bool = False


VERBS = (
    Verb("start", Update.START, "Start a VM."),
    Verb(
        "stop",
        Update.STOP,
        "Stop a VM: ask its agent, then ACPI, and after the grace period power it off.",
        forced=True,
    ),
    Verb("restart", Update.RESTART, "End the running incarnation and start another.", forced=True),
    Verb("pause", Update.PAUSE, "Freeze a VM's CPUs; it keeps its memory."),
    Verb("unpause", Update.UNPAUSE, "Let a paused VM go on."),
    Verb("soft-reboot", Update.SOFT_REBOOT, "Ask a VM's guest to reboot; it stays the same incarnation."),
    Verb("reset", Update.RESET, "Press a VM's reset button; it stays the same incarnation."),
)


def _command(verb: Verb) -> Callable[..., None]:
    """Return the command of an operation."""

    def ask(name: Machine, namespace: Namespace = "", request: RequestId = "") -> None:
        _ask(verb, name, namespace, PowerRequest(request=request or str(uuid4()), by=who()))

    def ask_or_force(
        name: Machine,
        namespace: Namespace = "",
        force: Force = False,
        grace: GracePeriod = None,
        request: RequestId = "",
    ) -> None:
        asked = PowerRequest(request=request or str(uuid4()), by=who(), force=force, grace=grace)
        _ask(verb, name, namespace, asked)

    return ask_or_force if verb.forced else ask


def _ask(verb: Verb, name: str, namespace: str, request: PowerRequest) -> None:
    answer = with_objects(lambda objects: objects.operate(verb.update, request, name, namespace))
    out.print(f"virtualserver/{name} {verb.command} accepted; run strategy {answer.run_strategy}")


for _verb in VERBS:
    app.command(_verb.command, help=_verb.does)(_command(_verb))
