"""Commands that tell: events, why, console."""

from datetime import timedelta
from typing import Annotated
from uuid import uuid4

import typer
from rich.text import Text

from cli.follow import now
from cli.options import DEFAULT_NAMESPACE, Machine, Namespace
from cli.render import dig
from cli.session import out, with_objects
from cli.story import Line, tell
from domain.problem import Problem
from manifests.contract import LIFECYCLE_QUEUE, ConsoleRequest, WorkflowType
from manifests.registry import kind_called
from runtime.objects import Document, Objects

app = typer.Typer()

_VM = kind_called("virtualservers")
_CONSOLE_PATIENCE = timedelta(minutes=1)
"""How long the console's text is waited for, when nobody serves the hypervisor."""
_STYLES = {"asked": "cyan", "step": "dim", "done": "green", "trouble": "red", "status": "bold"}


@app.command()
def events(name: Machine, namespace: Namespace = DEFAULT_NAMESPACE) -> None:
    """Tell a VM's story from its history, oldest first."""

    async def command(objects: Objects) -> list[Line]:
        description = await objects.describe(_VM, name, namespace)
        handle = objects.client.get_workflow_handle(description.id, run_id=description.run_id)
        return [line async for line in tell(handle, objects.client.data_converter)]

    for line in with_objects(command):
        out.print(Text(f"{line.at:%Y-%m-%d %H:%M:%SZ}  {line.kind:8}", "dim"), Text(line.text, _STYLES[line.kind]))


@app.command()
def why(name: Machine, namespace: Namespace = DEFAULT_NAMESPACE) -> None:
    """Say why a VM is as it is: its status, its conditions, what it waits for, and the latest trouble."""

    async def command(objects: Objects) -> tuple[Document, str, list[str], list[Line]]:
        description = await objects.describe(_VM, name, namespace)
        document = await objects.get(_VM, name, namespace)
        handle = objects.client.get_workflow_handle(description.id, run_id=description.run_id)
        trouble = [line async for line in tell(handle, objects.client.data_converter) if line.kind == "trouble"]
        pending = [
            f"{each.activity_type.name}, attempt {each.attempt}"
            + (f", after: {each.last_failure.message}" if each.last_failure.message else "")
            for each in description.raw_description.pending_activities
        ]
        return document, (await now(objects, document)).text, pending, trouble

    document, doing, pending, trouble = with_objects(command)
    if not dig(document, "status"):
        out.print(Text(f"{name} is declared, and no worker has taken it up yet; start one (vmflow up)", "bold"))
        return
    status, message = dig(document, "status", "printableStatus"), dig(document, "status", "message")
    out.print(Text(f"{name} is {status} ({dig(document, 'status', 'reason')})", "bold"))
    out.print(Text(message))
    if doing not in {"", message}:
        out.print(Text(doing))
    for each in dig(document, "status", "conditions") or []:
        text = f"  {each['type']:13} {each['status']:6} {each['reason']:18} {each['message']}"
        out.print(Text(text, "red" if each["type"] == "Failure" and each["status"] == "True" else ""))
    for each in pending:
        out.print(Text(f"  under way: {each}"))
    for line in trouble[-5:]:
        out.print(Text(f"  {line.at:%Y-%m-%d %H:%M:%SZ}  {line.text}", "red"))


@app.command()
def console(
    name: Machine,
    namespace: Namespace = DEFAULT_NAMESPACE,
    log: Annotated[bool, typer.Option("--log", help="Print what the serial console showed since power-on.")] = False,
    limit: Annotated[int, typer.Option(help="Bytes from the end.", min=1, max=1048576)] = 65536,
) -> None:
    """Show the serial console."""
    if not log:
        raise typer.BadParameter("an interactive console is not there yet; use --log")

    async def command(objects: Objects) -> str:
        document = await objects.get(_VM, name, namespace)
        hypervisor = dig(document, "status", "placement", "hypervisor")
        if not hypervisor:
            raise Problem.wait("NotPlaced", "is not on a hypervisor yet, so it has no console", field=name)
        text: str = await objects.client.execute_workflow(
            WorkflowType.CONSOLE,
            ConsoleRequest(hypervisor=hypervisor, uid=dig(document, "metadata", "uid"), limit=limit),
            id=f"Console/{namespace}/{name}/{uuid4()}",
            task_queue=LIFECYCLE_QUEUE,
            result_type=str,
            execution_timeout=_CONSOLE_PATIENCE,
        )
        return text

    typer.echo(with_objects(command))
