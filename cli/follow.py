"""Following a VM until it is where somebody wants it: what it is doing now, in one line."""

import asyncio
from collections.abc import AsyncIterator

from cli.render import address, dig
from cli.ways import Now, Way
from domain.image import ImageSource
from domain.problem import Problem
from domain.status import ConditionType, PrintableStatus
from manifests.image import image_name
from manifests.registry import kind_called
from runtime.objects import Document

EVERY = 0.5
"""Seconds between two looks."""

_VM = kind_called("virtualservers")

BOOTING = {"GuestBooting", "GuestBooted"}
"""Reasons of a VM whose guest is on its way, or there: its address says how far."""


async def follow(objects: Way, name: str, namespace: str) -> AsyncIterator[tuple[Document, Now]]:
    """Yield the object and what it is doing, again and again, until the caller has seen enough."""
    while True:
        document = await objects.get(_VM, name, namespace)
        yield document, await objects.now(document)
        await asyncio.sleep(EVERY)


def resting(machine: Document) -> Now:
    """Return what a VM is doing, as far as its status says it."""
    status = str(dig(machine, "status", "printableStatus") or "Provisioning")
    message = str(dig(machine, "status", "message") or "declared; waiting for a lifecycle worker")
    if dig(machine, "status", "reason") in BOOTING:
        message = f"{message} {address(machine)}".rstrip()
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
