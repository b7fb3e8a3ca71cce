"""Following a VM until it is where somebody wants it: what it is doing now, in one line, from Temporal alone.

Progress is read from the heartbeats of pending activities, so following costs no history.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from temporalio.client import WorkflowExecutionDescription

from cli.render import address, dig
from domain.boot import BootProgress
from domain.image import ImageSource, ImportProgress
from domain.model import Value
from domain.problem import Problem
from domain.quantity import format_bytes
from domain.status import ConditionType, PrintableStatus
from manifests.image import image_name
from manifests.registry import Kind, kind_called
from runtime.objects import Document, Objects

EVERY = 0.5
"""Seconds between two looks."""

_VM = kind_called("virtualservers")
_IMAGE = kind_called("images")
_HYPERVISOR = kind_called("hypervisors")


class Now(Value):
    """What a VM is doing. detail: its latest word; fraction: how much is done, from 0 to 1, where known."""

    status: str
    text: str
    detail: str = ""
    fraction: float | None = None


async def follow(objects: Objects, name: str, namespace: str) -> AsyncIterator[tuple[Document, Now]]:
    """Yield the object and what it is doing, again and again, until the caller has seen enough."""
    while True:
        document = await objects.get(_VM, name, namespace)
        yield document, await now(objects, document)
        await asyncio.sleep(EVERY)


async def now(objects: Objects, document: Document) -> Now:
    """Return what a VM is doing, with the progress of what it waits for."""
    status = str(dig(document, "status", "printableStatus") or "Provisioning")
    reason = dig(document, "status", "reason")
    message = str(dig(document, "status", "message") or "declared; waiting for a lifecycle worker")
    if reason == "Importing":
        return await _importing(objects, document, message)
    if reason in {"GuestBooting", "GuestBooted"}:
        return await _booting(objects, document, status, f"{message} {address(document)}".rstrip())
    return Now(status=status, text=message)


def image_of(machine: Document) -> str:
    """Return the name of the Image a VM's root disk comes from; it is in the VM's namespace."""
    http = dig(machine, "spec", "storage", "root", "source", "http")
    return image_name(
        dig(machine, "metadata", "namespace"), ImageSource(url=http["url"], checksum=http.get("checksum", ""))
    )


def holding(machine: Document) -> dict[str, dict[str, str]]:
    """Return a VM's conditions that are true, by type."""
    conditions = dig(machine, "status", "conditions") or []
    return {each["type"]: each for each in conditions if each["status"] == "True"}


def failure(machine: Document) -> Problem | None:
    """Return what a VM's Failure condition says as the Problem that ends whoever waits for it; None without one.

    A guest that crashed and is started again is no reason to give up: a failure is final when it is what holds the VM
    up, or when the VM stays stopped after it.
    """
    name, failed = machine["metadata"]["name"], holding(machine).get(ConditionType.FAILURE)
    if failed is None:
        return None
    status = machine["status"]
    if failed["reason"] != status["reason"] and status["printableStatus"] != PrintableStatus.STOPPED:
        return None
    return Problem.terminal(failed["reason"], f"{failed['message']} (vmflow why {name} tells more)", field=name)


async def _importing(objects: Objects, document: Document, message: str) -> Now:
    namespace = dig(document, "metadata", "namespace")
    beat = await _heartbeat(objects, _IMAGE, image_of(document), namespace, "import_image")
    if beat is None:
        return Now(status="Provisioning", text=message)
    progress = ImportProgress.model_validate(beat)
    if not progress.total:
        return Now(status="Provisioning", text=f"image: {progress.stage} {format_bytes(progress.done)}")
    done, total, rate = (format_bytes(each) for each in (progress.done, progress.total, progress.rate))
    return Now(
        status="Provisioning",
        text=f"image: {progress.stage} {done} of {total}, {rate}/s",
        fraction=progress.done / progress.total,
    )


async def _booting(objects: Objects, document: Document, status: str, message: str) -> Now:
    hypervisor = dig(document, "status", "placement", "hypervisor")
    beat = await _heartbeat(objects, _HYPERVISOR, hypervisor, "", "watch")
    boot = (beat or {}).get("boots", {}).get(dig(document, "metadata", "uid"))
    if boot is None:
        return Now(status=status, text=message)
    progress = BootProgress.model_validate(boot)
    return Now(status=status, text=f"{message}: {progress.stage}", detail=progress.line)


async def _heartbeat(objects: Objects, kind: Kind, name: str, namespace: str, activity: str) -> dict[str, Any] | None:
    """Return the last heartbeat of an object's pending activity; None when there is none (yet)."""
    try:
        description: WorkflowExecutionDescription = await objects.describe(kind, name, namespace)
    except Problem:
        return None
    for pending in description.raw_description.pending_activities:
        if pending.activity_type.name == activity and pending.heartbeat_details.payloads:
            (details,) = await objects.client.data_converter.decode(pending.heartbeat_details.payloads[:1])
            return details if isinstance(details, dict) else None
    return None
