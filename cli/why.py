"""The `why` command: why a VM is as it is, what it waits for, and what went wrong lately."""

from collections.abc import Iterator

import typer
from rich.text import Text

from cli.options import Machine, Namespace
from cli.render import dig
from cli.session import out, with_objects
from cli.ways import Findings
from runtime.objects import Document

app = typer.Typer()

_LATEST = 5
"""How many lines of trouble are told."""


@app.command()
def why(name: Machine, namespace: Namespace = "") -> None:
    """Say why a VM is as it is: its status, its conditions, what it waits for, and the latest trouble."""
    show(name, with_objects(lambda objects: objects.findings(name, namespace)))


def show(name: str, found: Findings) -> None:
    """Print what is known of a VM."""
    for line in told(name, found):
        out.print(line)


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
