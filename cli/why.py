"""The `why` command: why a VM is as it is, what it waits for, and what went wrong lately."""

from collections.abc import Iterator

import typer
from rich.text import Text
from temporalio.api.enums.v1 import PendingActivityState, PendingWorkflowTaskState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription

from cli.follow import now
from cli.options import DEFAULT_NAMESPACE, Machine, Namespace
from cli.render import dig
from cli.served import unserved
from cli.session import out, with_objects
from domain.model import Value
from manifests.registry import kind_called
from runtime.objects import Document, Objects
from runtime.story import Line, tell

app = typer.Typer()

_VM = kind_called("virtualservers")
_LATEST = 5
"""How many lines of trouble are told."""


class Findings(Value):
    """What is known of a VM.

    doing:    what it does now, with its progress; missing: who is not there to do it, empty when nobody is missing.
    attempt:  of its workflow task; more than one means that the worker cannot go on with its history. 0: none waits.
    pending:  the steps under way; trouble: what went wrong in this run, oldest first.
    """

    document: Document
    doing: str = ""
    missing: str = ""
    attempt: int = 0
    pending: tuple[str, ...] = ()
    trouble: tuple[Line, ...] = ()


@app.command()
def why(name: Machine, namespace: Namespace = DEFAULT_NAMESPACE) -> None:
    """Say why a VM is as it is: its status, its conditions, what it waits for, and the latest trouble."""
    for line in told(name, with_objects(lambda objects: _find(objects, name, namespace))):
        out.print(line)


async def _find(objects: Objects, name: str, namespace: str) -> Findings:
    description = await objects.describe(_VM, name, namespace)
    document = await objects.get(_VM, name, namespace)
    handle = objects.client.get_workflow_handle(description.id, run_id=description.run_id)
    return Findings(
        document=document,
        doing=(await now(objects, document)).text,
        missing=await unserved(objects, _VM, str(dig(document, "status", "placement", "hypervisor"))),
        attempt=description.raw_description.pending_workflow_task.attempt,
        pending=tuple(_pending(description)),
        trouble=tuple([line async for line in tell([handle], objects.client.data_converter) if line.kind == "trouble"]),
    )


def told(name: str, found: Findings) -> Iterator[Text]:
    """Yield the answer, line by line: the word and the sentence first, the details after them."""
    status, message = dig(found.document, "status"), dig(found.document, "status", "message")
    if status:
        yield Text(f"{name} is {status['printableStatus']} ({status['reason']})", "bold")
        yield Text(message)
    else:
        yield Text(f"{name} is declared, and no worker has taken it up yet; start one (vmflow up)", "bold")
    if status and found.doing not in {"", message}:
        yield Text(found.doing)
    for each in (found.missing, _stuck(found)):
        if each:
            yield Text(f"  {each}", "red")
    for label, text in _facts(found.document):
        yield Text(f"  {label + ':':16} {text}")
    for each in dig(found.document, "status", "conditions") or []:
        text = f"  {each['type']:16} {each['status']:7} {each['reason']:18} {each['message']}"
        yield Text(text, "red" if each["type"] == "Failure" and each["status"] == "True" else "")
    yield from (Text(f"  under way: {each}") for each in found.pending)
    yield from (Text(f"  {line.at:%Y-%m-%d %H:%M:%SZ}  {line.text}", "red") for line in found.trouble[-_LATEST:])


def _facts(document: Document) -> Iterator[tuple[str, str]]:
    """Yield what else helps to understand: who asked for what, how often the guest ended, what it has."""
    last, restarts, has = (dig(document, "status", part) for part in ("lastOperation", "restarts", "resources"))
    if last:
        by = f" by {last['by']}" if last["by"] else ""
        yield "asked last", f"{last['operation']}{by} at {last['at']}"
    if restarts:
        again = f"; started again at {restarts['next']}" if "next" in restarts else ""
        yield "ended by itself", f"{restarts['inARow']} times in a row{again}"
    if has:
        yield "has", f"{has['cpus']} CPUs, {has['memory']} of memory, a disk of {has['disk']}"
    if agent := dig(document, "status", "guest", "agentVersion"):
        yield "guest agent", agent


def _stuck(found: Findings) -> str:
    """Return what to say when the worker fails over this VM's history again and again."""
    if found.attempt <= 1:
        return ""
    return (
        f"its workflow cannot go on (attempt {found.attempt}): a fault of the worker's code, told in the worker's log"
    )


def _pending(description: WorkflowExecutionDescription) -> Iterator[str]:
    decision = description.raw_description.pending_workflow_task
    if decision.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED:
        yield f"its next decision, waits for a worker since {decision.scheduled_time.ToDatetime():%H:%M:%SZ}"
    for each in description.raw_description.pending_activities:
        after = f", after: {each.last_failure.message}" if each.last_failure.message else ""
        yield f"{each.activity_type.name}, attempt {each.attempt}{_waits(each)}{after}"


def _waits(pending: PendingActivityInfo) -> str:
    scheduled = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    return ", waits for a worker" if scheduled else ""
