"""Commands that tell what happened: events, console."""

from datetime import timedelta
from functools import partial
from typing import Annotated
from uuid import uuid4

import typer
from rich.text import Text

from cli.channels import dialed
from cli.options import DEFAULT_NAMESPACE, Machine, Namespace
from cli.render import dig
from cli.session import out, with_objects
from cli.terminal import console as attach
from domain.channel import Endpoint
from domain.problem import Problem
from manifests.contract import LIFECYCLE_QUEUE, ConsoleRequest, WorkflowType
from manifests.registry import kind_called
from runtime.objects import Objects
from runtime.story import Line, runs, tell

app = typer.Typer()

_VM = kind_called("virtualservers")
_CONSOLE_PATIENCE = timedelta(minutes=1)
"""How long the console's text is waited for, when nobody serves the hypervisor."""
_STYLES = {"asked": "cyan", "step": "dim", "done": "green", "trouble": "red", "status": "bold"}


@app.command()
def events(name: Machine, namespace: Namespace = DEFAULT_NAMESPACE) -> None:
    """Tell a VM's story from its history, oldest first, as far back as the server keeps it."""

    async def command(objects: Objects) -> list[Line]:
        description = await objects.describe(_VM, name, namespace)
        lived = await runs(objects.client, description.id, description.run_id)
        return [line async for line in tell(lived, objects.client.data_converter)]

    for line in with_objects(command):
        out.print(Text(f"{line.at:%Y-%m-%d %H:%M:%SZ}  {line.kind:8}", "dim"), Text(line.text, _STYLES[line.kind]))


@app.command()
def console(
    name: Machine,
    namespace: Namespace = DEFAULT_NAMESPACE,
    log: Annotated[bool, typer.Option("--log", help="Print what the serial console showed since power-on.")] = False,
    limit: Annotated[int, typer.Option(help="Bytes from the end.", min=1, max=1048576)] = 65536,
) -> None:
    """Connect to the serial console; Ctrl+] leaves."""
    if not log:
        with_objects(lambda objects: attach(partial(dialed, objects, name, namespace, Endpoint.CONSOLE), name))
        return

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
