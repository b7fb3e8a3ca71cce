"""One watched hypervisor. Its VMs are workflows nobody works for: their histories tell which wakes they were sent."""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.testing import ActivityEnvironment

from activities.orphans import Orphans
from activities.told import Told
from activities.watch import Watch, WatchBeat, WatchOrder
from domain.guest import GuestPlan, Observation, default_mac
from drivers.simulator import SimulatorDriver, journal
from manifests.contract import OBJECT_MEMO, Report, SearchAttribute, Signal
from tests.world import eventually

Handle = WorkflowHandle[Any, Any]

FIRST = WatchOrder()
"""What a hypervisor's first watch is told."""


class Scene:
    """One watched hypervisor, and VMs on it."""

    def __init__(self, client: Client, driver: SimulatorDriver) -> None:
        self.client = client
        self.driver = driver
        self.told = Told()
        self.name = f"h{uuid.uuid4().hex[:8]}"
        self.beats: list[WatchBeat] = []
        self.handles: list[Handle] = []
        self.image = ""
        self.looks: Counter[str] = Counter()
        self.instead: dict[str, Callable[[str], Observation]] = {}
        self._observe = driver.observe
        driver.observe = self.look  # type: ignore[method-assign]

    def plan(self) -> GuestPlan:
        uid = str(uuid.uuid4())
        return GuestPlan(
            uid=uid,
            name=uid,
            owner=f"{self.name}/{uid}",
            hostname="vm",
            cpus=1,
            memory=2**28,
            max_cpus=1,
            max_memory=2**28,
            disk=2**32,
            image=self.image,
            mac=default_mac(uid),
        )

    async def newborn(self, name: str = "") -> tuple[Handle, GuestPlan]:
        """Open the workflow of a VM that no list shows on this hypervisor yet; return the plan of its guest."""
        plan = self.plan()
        plan = plan.model_copy(update={"owner": f"{self.name}/{name or plan.uid}"})
        vm = await self.client.start_workflow("VirtualServer", id=f"VirtualServer/{plan.owner}", task_queue="nobody")
        self.handles.append(vm)
        return vm, plan.model_copy(update={"uid": vm.first_execution_run_id})

    def run(self, plan: GuestPlan, *, telling: bool = True) -> Observation:
        """Power a guest on; `telling` as its VM's step does."""
        seen = self.driver.ensure_running(plan, fresh=True, start=1)
        return self.told.tell(seen) if telling else seen

    def look(self, uid: str) -> Observation:
        """Look as the driver does, unless told otherwise, and count."""
        self.looks[uid] += 1
        return self.instead.get(uid, self._observe)(uid)

    async def vm(self, plan: GuestPlan, published: dict[str, Any] | None = None) -> Handle:
        """Open a VM's workflow, with what it publishes."""
        document = {"metadata": {"uid": plan.uid}, "status": published or {}}
        return await self.open(f"VirtualServer/{plan.owner}", "VirtualServer", document, self.name)

    async def open(self, object_id: str, kind: str, document: dict[str, Any], status: str) -> Handle:
        attribute = SearchAttribute.HYPERVISOR if kind == "VirtualServer" else SearchAttribute.STATUS
        pairs = {SearchAttribute.KIND: kind, attribute: status}
        handle = await self.client.start_workflow(
            kind,
            id=object_id,
            task_queue="nobody",
            memo={OBJECT_MEMO: document},
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(SearchAttributeKey.for_keyword(key), value) for key, value in pairs.items()],
            ),
        )
        self.handles.append(handle)

        async def listed() -> bool:
            return (
                await self.client.count_workflows(f"WorkflowId = '{object_id}' AND {attribute} = '{status}'")
            ).count > 0

        await eventually(listed)
        return handle

    async def hypervisor(self) -> Handle:
        """Open the hypervisor's own workflow, which takes reports."""
        return await self.open(f"Hypervisor/{self.name}", "Hypervisor", {}, "Ready")

    @asynccontextmanager
    async def watched(
        self, order: WatchOrder = FIRST, *, heartbeat: timedelta | None = None
    ) -> AsyncIterator["asyncio.Task[str]"]:
        """Watch meanwhile; the block begins after the first sweep."""
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, heartbeat_timeout=heartbeat)
        self.beats.clear()
        environment.on_heartbeat = self.beats.append
        watch = Watch(self.name, self.driver, self.told, self.client)
        task = asyncio.create_task(environment.run(watch.watch, order))
        await self.rounds(2)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def rounds(self, count: int) -> None:
        """Wait until the watch has heard so many hints about nothing: what it heard before each is done."""
        for _ in range(count):
            bell = f"bell-{uuid.uuid4()}"

            async def heard(bell: str = bell) -> bool:
                with self.driver._store.writing() as db:
                    journal.note(db, bell, "rung", time.time())
                return self.looks[bell] > 0

            await eventually(heard)

    def orphans(self) -> Orphans:
        return Orphans(self.driver, self.told, self.client)


async def wakes(handle: Handle) -> list[str]:
    """Return what a workflow was woken about so far."""
    history = await handle.fetch_history()
    signals = [event.workflow_execution_signaled_event_attributes for event in history.events]
    return [
        json.loads(signal.input.payloads[0].data) if signal.input.payloads else ""
        for signal in signals
        if signal.signal_name == Signal.WAKE
    ]


async def woken(handle: Handle, times: int = 1) -> None:
    async def often_enough() -> bool:
        return len(await wakes(handle)) >= times

    await eventually(often_enough)
    assert await wakes(handle) == ["guest"] * times


async def reports(handle: Handle) -> list[Report]:
    """Return what a hypervisor was told by its watch so far."""
    history = await handle.fetch_history()
    signals = [event.workflow_execution_signaled_event_attributes for event in history.events]
    return [
        Report.model_validate_json(signal.input.payloads[0].data)
        for signal in signals
        if signal.signal_name == Signal.REPORT
    ]
