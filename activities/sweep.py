"""The sweep: everything on a hypervisor compared with everything its VMs publish and its zone holds for them."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client, WorkflowExecution, WorkflowQueryFailedError
from temporalio.service import RPCError

from activities import neighbours
from activities.orphans import Orphans
from domain.guest import GuestInfo, Observation, Power, absent
from domain.hypervisor import Orphan
from domain.life import Wake
from domain.placement import Claim
from domain.status import AT_REST, BOOTING
from drivers.base import Driver
from manifests.contract import Query, Release, SearchAttribute, Signal, workflow_id
from runtime.listing import open_workflows

PAGE = 200
"""VMs listed at once: each brings its whole object along, and an answer has at most 4 MB."""

ANSWER_WITHIN = timedelta(seconds=5)
"""How long the zone is waited for. It answers only while a lifecycle worker lives, and the sweep can go without."""


@dataclass
class Found:
    """What a sweep found.

    published: what each VM here last published, as the observation it was told.
    settled:   incarnations, by UID, whose VM knows them to be up or silent.
    doubtful:  guests that deserve a look of their own.
    """

    published: list[Observation] = field(default_factory=list)
    settled: dict[str, str] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    orphans: tuple[Orphan, ...] = ()


class Sweep:
    """Sweeps one hypervisor; `zone` holds the claims on it."""

    def __init__(self, name: str, driver: Driver, client: Client, orphans: Orphans, zone: str) -> None:
        self._name = name
        self._driver = driver
        self._client = client
        self._orphans = orphans
        self._zone = zone
        self._log = structlog.get_logger().bind(hypervisor=name)

    async def run(self, *, lost: bool) -> Found:
        """Compare; wake VMs that differ or are not at rest, and every one when they were told that this is lost."""
        found = Found()
        inventory = {seen.uid: seen for seen in await asyncio.to_thread(self._driver.inventory)}
        async for listed in open_workflows(self._client, self._query(), page_size=PAGE):
            await self._compare(listed, inventory, found, lost=lost)
        known = {published.uid for published in found.published}
        found.orphans = await self._orphans.among(seen for uid, seen in inventory.items() if uid not in known)
        await self._wake_images()
        if self._zone:
            await self._release_leaked(known | set(inventory))
        return found

    def _query(self) -> str:
        return f"{SearchAttribute.KIND} = 'VirtualServer' AND {SearchAttribute.HYPERVISOR} = '{self._name}'"

    async def _compare(
        self, listed: WorkflowExecution, inventory: dict[str, Observation], found: Found, *, lost: bool
    ) -> None:
        document = await neighbours.published(self._client, listed)
        uid = document.get("metadata", {}).get("uid", "")
        status = document.get("status", {})
        published, seen = _published(uid, listed.id, status), inventory.get(uid, absent(uid))
        reason = status.get("reason", "")
        same = (seen.power, seen.incarnation) == (published.power, published.incarnation)
        unrest, booting = lost or reason not in AT_REST or not same, reason == BOOTING
        if unrest or booting:  # a VM has no clock of its own: how long its guest has been silent it sees when it looks
            await neighbours.signal(self._client, listed.id, Signal.WAKE, Wake.GUEST)
        if not unrest and seen.power is Power.RUNNING:
            if not booting:
                found.settled[uid] = seen.incarnation
            if not published.guest.agent:
                found.doubtful.add(uid)
        found.published.append(published)

    async def _wake_images(self) -> None:
        """Let failed imports try again: they may have failed because nobody served this hypervisor."""
        failed = f"{SearchAttribute.KIND} = 'Image' AND {SearchAttribute.STATUS} = 'Failed'"
        async for listed in open_workflows(self._client, failed):
            await neighbours.signal(self._client, listed.id, Signal.WAKE)

    async def _release_leaked(self, known: set[str]) -> None:
        """Give back what the zone holds here for VMs whose workflow was ended without a deletion.

        `known` UIDs have a VM or a domain. For the others lists prove nothing, since a VM that was just created may not
        be listed yet: each is asked for by name.
        """
        zone = workflow_id("Zone", self._zone)
        for claim in await self._claims(zone):
            if claim.uid not in known and await self._orphans.forsaken(claim.uid, claim.vm):
                self._log.warning("a claim without a VM is given back", vm=claim.vm, uid=claim.uid, zone=self._zone)
                await neighbours.signal(self._client, zone, Signal.RELEASE, Release(uid=claim.uid, gone=True))

    async def _claims(self, zone: str) -> list[Claim]:
        """Return the claims a zone holds on this hypervisor; none when it does not answer: the next sweep asks."""
        try:
            claims: list[Claim] = await self._client.get_workflow_handle(zone).query(
                Query.CLAIMS, self._name, result_type=list[Claim], rpc_timeout=ANSWER_WITHIN
            )
        except (RPCError, WorkflowQueryFailedError) as error:
            self._log.warning("the zone does not tell its claims", zone=self._zone, error=str(error))
            return []
        return claims


def _published(uid: str, vm_id: str, status: dict[str, Any]) -> Observation:
    """Return what a VM last published as the observation it was told."""
    vm, guest = status.get("vm", {}), status.get("guest", {})
    return Observation(
        uid=uid,
        owner=vm_id.partition("/")[2],
        power=Power(vm.get("power", Power.ABSENT)),
        incarnation=vm.get("incarnation", ""),
        guest=GuestInfo(
            agent=guest.get("agentConnected", False),
            addresses=tuple(guest.get("addresses", ())),
            hostname=guest.get("hostname", ""),
            os=guest.get("os", ""),
            agent_version=guest.get("agentVersion", ""),
        ),
    )
