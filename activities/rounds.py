"""Rounds: the same word to many VMs at once, on behalf of a workflow that must not hold up its own life for it."""

from collections.abc import Callable
from typing import Any

from temporalio import activity
from temporalio.client import Client

from activities import neighbours
from activities.heartbeats import pulsing
from domain.life import Wake
from domain.model import Value
from domain.status import PrintableStatus
from manifests.contract import SearchAttribute, Signal
from manifests.virtual_server import ZONE_LABEL
from runtime.listing import open_workflows

Concerned = Callable[[str, dict[str, Any]], bool]
"""Tells by a VM's workflow id and its object whether a word is for it."""

PAGE = 200
"""VMs listed at once: each may bring its whole object along, and an answer has at most 4 MB."""


class Opening(Value):
    """A zone that can take VMs from now on; known: workflow ids of those it wakes itself, as they wait for it."""

    zone: str
    known: tuple[str, ...] = ()


class Rounds:
    """Rounds over one Temporal client. Each may be made twice: a wake is a hint."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn
    async def tell_lost(self, hypervisor: str) -> int:
        """Tell every VM on a hypervisor that nobody can reach it; return how many were told."""
        return await self._wake(f"{SearchAttribute.HYPERVISOR} = '{hypervisor}'", Wake.LOST)

    @activity.defn
    async def wake_unplaced(self, opening: Opening) -> int:
        """Wake the VMs without room that may live in a zone and have never asked it; return how many were woken."""
        unplaced = f"{SearchAttribute.STATUS} = '{PrintableStatus.FAILED_UNSCHEDULABLE}'"

        def concerned(vm: str, document: dict[str, Any]) -> bool:
            return vm not in opening.known and _wish(document) in {"", opening.zone}

        return await self._wake(unplaced, Wake.ROOM, concerned)

    async def _wake(self, which: str, about: Wake, concerned: Concerned = lambda *_: True) -> int:
        query = f"{SearchAttribute.KIND} = 'VirtualServer' AND {which}"
        told = 0
        async with pulsing():
            async for listed in open_workflows(self._client, query, page_size=PAGE):
                if concerned(listed.id, await neighbours.published(self._client, listed)):
                    told += await neighbours.signal(self._client, listed.id, Signal.WAKE, about)
        return told


def _wish(document: dict[str, Any]) -> str:
    """Return the zone a VM's manifest names; empty when any will do."""
    labels = document.get("metadata", {}).get("labels") or {}
    return str(labels.get(ZONE_LABEL, ""))
