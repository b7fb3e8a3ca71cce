"""What a VM is doing now, in one line: from its status, and from the heartbeats of the activities it waits for.

Pending activities' heartbeats come with what the Temporal server describes, so progress costs no history.
"""

from typing import Any

from temporalio.client import WorkflowExecutionDescription

from cli.follow import BOOTING, image_of, resting
from cli.render import dig
from cli.ways import Now
from domain.boot import BootProgress
from domain.image import ImportProgress
from domain.problem import Problem
from domain.quantity import format_bytes
from manifests.registry import Kind, kind_called
from runtime.objects import Document, Objects

_IMAGE = kind_called("images")
_HYPERVISOR = kind_called("hypervisors")


async def now(objects: Objects, machine: Document) -> Now:
    """Return what a VM is doing, with the progress of what it waits for."""
    told, reason = resting(machine), dig(machine, "status", "reason")
    if reason == "Importing":
        return await _importing(objects, machine, told)
    return await _booting(objects, machine, told) if reason in BOOTING else told


async def _importing(objects: Objects, machine: Document, told: Now) -> Now:
    namespace = dig(machine, "metadata", "namespace")
    beat = await _heartbeat(objects, _IMAGE, image_of(machine), namespace, "import_image")
    if beat is None:
        return told.model_copy(update={"status": "Provisioning"})
    progress = ImportProgress.model_validate(beat)
    if not progress.total:
        return Now(status="Provisioning", text=f"image: {progress.stage} {format_bytes(progress.done)}")
    done, total, rate = (format_bytes(each) for each in (progress.done, progress.total, progress.rate))
    return Now(
        status="Provisioning",
        text=f"image: {progress.stage} {done} of {total}, {rate}/s",
        fraction=progress.done / progress.total,
    )


async def _booting(objects: Objects, machine: Document, told: Now) -> Now:
    hypervisor = dig(machine, "status", "placement", "hypervisor")
    beat = await _heartbeat(objects, _HYPERVISOR, hypervisor, "", "watch")
    boot = (beat or {}).get("boots", {}).get(dig(machine, "metadata", "uid"))
    if boot is None:
        return told
    progress = BootProgress.model_validate(boot)
    return Now(status=told.status, text=f"{told.text}: {progress.stage}", detail=progress.line)


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
