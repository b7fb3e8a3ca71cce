"""Commands over orphans: domains on a hypervisor that belong to no VM."""

import asyncio
from typing import Annotated
from uuid import uuid4

import typer

from cli.options import Timeout
from cli.render import dig, grid
from cli.session import out, who, with_objects
from cli.ways import Way
from domain.problem import Problem
from manifests.contract import DiscardRequest
from manifests.registry import kind_called
from runtime.wait import until

app = typer.Typer()

_HYPERVISOR = kind_called("hypervisors")
_COLUMNS = ("HYPERVISOR", "UID", "OWNER", "POWER", "TROUBLE")


@app.command()
def orphans() -> None:
    """List domains that belong to no VM: their VM's workflow was ended without a deletion."""
    documents = with_objects(lambda objects: objects.list(_HYPERVISOR))
    found = [
        [document["metadata"]["name"], *(orphan[column.lower()] for column in _COLUMNS[1:])]
        for document in documents
        for orphan in dig(document, "status", "orphans") or []
    ]
    if found:
        typer.echo(grid([_COLUMNS, *found]))
    else:
        typer.echo("No orphans found.", err=True)


@app.command()
def discard(
    hypervisor: Annotated[str, typer.Argument(help="Where the orphan is.")],
    uid: Annotated[str, typer.Argument(help="Its UID, as `vmflow orphans` shows it.")],
    wait: Annotated[bool, typer.Option(help="Wait until it is gone.")] = True,
    timeout: Timeout = 300.0,
) -> None:
    """Remove an orphan for good, with its disks, and give its room back."""

    async def command(objects: Way) -> None:
        answer = await objects.discard(hypervisor, DiscardRequest(uid=uid, request=str(uuid4()), by=who()))
        if wait:
            await _gone(objects, hypervisor, uid, timeout)
        out.print(f"orphan/{uid} of {answer.owner or 'nobody'} {'discarded' if wait else 'is being discarded'}")

    with_objects(command)


async def _gone(objects: Way, hypervisor: str, uid: str, patience: float) -> None:
    """Wait until an orphan is gone; a Problem tells why it is not."""

    async def settled() -> bool:
        return await _trouble(objects, hypervisor, uid) != ""

    try:
        async with asyncio.timeout(patience):
            await until(settled, every=0.1)
    except TimeoutError:
        why = f"still there after {patience:.0f} s; look at the pending activities of Hypervisor/{hypervisor}"
        raise Problem.retry("Timeout", why, field=uid) from None
    if trouble := await _trouble(objects, hypervisor, uid):
        raise Problem.retry("NotDiscarded", trouble, field=uid)


async def _trouble(objects: Way, hypervisor: str, uid: str) -> str | None:
    """Return what was in the way of discarding an orphan, or an empty string; None when there is no such orphan."""
    document = await objects.get(_HYPERVISOR, hypervisor)
    for orphan in dig(document, "status", "orphans") or []:
        if orphan["uid"] == uid:
            return str(orphan["trouble"])
    return None
