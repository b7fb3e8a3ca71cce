"""Domains that belong to no VM: found by comparing, reported, and removed only when an operator says so.

A domain is an orphan when no open workflow has the UID it was built for. That its VM's workflow is not open was never a
deletion (a deletion removes the domain before the workflow ends), so the guest and its disk may be dear to somebody.
"""

import asyncio
from collections.abc import Iterable

from temporalio import activity
from temporalio.client import Client

from activities.heartbeats import pulsing
from activities.neighbours import living_uid
from activities.told import Told
from domain.guest import Observation, Power
from domain.hypervisor import Orphan
from domain.problem import Problem
from drivers.base import Driver
from manifests.contract import workflow_id

MOST = 100
"""How many orphans are reported at most: a status must stay small, and the next ones show when these are dealt with."""


class Orphans:
    """The orphans of one hypervisor."""

    def __init__(self, driver: Driver, told: Told, client: Client) -> None:
        self._driver = driver
        self._told = told
        self._client = client

    @activity.defn
    async def discard(self, orphan: Orphan) -> None:
        """Remove an orphan and everything built for it; one that is gone already is removed.

        Raises Problem.terminal `NotAnOrphan` when its VM lives: the workflow may have been reset since.
        """
        async with pulsing():
            if await self._belongs(orphan.uid, orphan.owner):
                raise Problem.terminal("NotAnOrphan", f"the domain belongs to the VM {orphan.owner}", field=orphan.uid)
            with self._told.telling(orphan.uid):
                await asyncio.to_thread(self._driver.ensure_removed, orphan.uid)
                self._told.forget(orphan.uid)

    async def among(self, candidates: Iterable[Observation]) -> tuple[Orphan, ...]:
        """Return those domains that are orphans, by UID, at most `MOST` of them."""
        found: list[Orphan] = []
        for seen in sorted(candidates, key=lambda each: each.uid):
            if len(found) < MOST and not await self._belongs(seen.uid, seen.owner):
                found += await self._left(seen)
        return tuple(found)

    async def forsaken(self, uid: str, vm: str) -> bool:
        """Return whether neither an open workflow (`vm` is its id) nor a domain here has a UID.

        The order counts: a VM that is being created has its workflow before its domain, one that is being deleted
        loses its domain before its workflow.
        """
        if await living_uid(self._client, vm) == uid or self._told.busy(uid):
            return False
        return (await asyncio.to_thread(self._driver.observe, uid)).power is Power.ABSENT

    async def _belongs(self, uid: str, owner: str) -> bool:
        """Return whether a domain's VM lives, or a step works on it at this moment."""
        namespace, _, name = owner.partition("/")
        if name and await living_uid(self._client, workflow_id("VirtualServer", name, namespace)) == uid:
            return True
        return self._told.busy(uid)

    async def _left(self, seen: Observation) -> list[Orphan]:
        """Look once more: what was listed may have been removed before its VM ended."""
        now = await asyncio.to_thread(self._driver.observe, seen.uid)
        if now.power is Power.ABSENT:
            return []
        return [Orphan(uid=seen.uid, owner=seen.owner, power=now.power)]
