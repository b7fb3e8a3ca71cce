"""The watch: one activity per hypervisor that turns what happens there into wakes of the VMs concerned.

Hints come from the driver; each is checked by a look, and a VM is woken only when it has not been told. After every
(re)connect and about once an hour a sweep compares the whole inventory with what the VMs publish, so that losing every
hint still converges. Between hints, boots and sweeps it sleeps; its heartbeat carries how far booting guests are.
"""

import asyncio
import math
import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import structlog
from pydantic import Field
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError

from activities import neighbours
from activities.boots import TICK, Boots
from activities.heartbeats import pulsing
from activities.orphans import Orphans
from activities.sweep import Sweep
from activities.told import Told
from domain.boot import BootProgress, boot_progress
from domain.guest import Observation, Power
from domain.hypervisor import Orphan
from domain.life import Wake
from domain.model import Value
from domain.problem import Problem
from domain.status import Reason
from drivers.base import Change, Driver
from manifests.contract import Report, Signal, workflow_id

RESYNC = 3600.0
"""Seconds between sweeps when nothing happens, give or take a tenth."""

STEADY = 60.0
"""Seconds after which a watch has worked: what ends it then is new trouble, not one more attempt at the old."""

CONSOLE_TAIL = 16384
"""Bytes of serial console that are read to tell how far a guest is."""

Hints = asyncio.Queue[Change | BaseException]


class WatchOrder(Value):
    """What a watch is told when it begins.

    zone:    the ledger that holds the claims on this hypervisor; empty when claims are not to be looked at.
    lost:    its VMs were told that it is lost, so each is woken when it is found.
    orphans: what was reported last.
    """

    zone: str = ""
    lost: bool = False
    orphans: tuple[Orphan, ...] = ()


class WatchBeat(Value):
    """What the watch's heartbeat carries: booting guests by UID."""

    boots: dict[str, BootProgress] = Field(default_factory=dict)


class Watch:
    """The watch over one hypervisor."""

    def __init__(self, name: str, driver: Driver, told: Told, client: Client) -> None:
        self._name = name
        self._driver = driver
        self._told = told
        self._client = client

    @activity.defn
    async def watch(self, order: WatchOrder = WatchOrder()) -> str:  # noqa: B008 - a frozen value
        """Watch until cancelled, or until hypervisor or Temporal server are out of reach.

        That is an error, and tried again, when the watch never got going. Else it is the result, for people: the next
        watch has all its attempts.
        """
        began = time.monotonic()
        vigil = _Vigil(self._name, self._driver, self._told, self._client, order)
        try:
            async with pulsing(vigil.beat):
                await vigil.keep()
        except (Problem, RPCError) as trouble:
            if time.monotonic() - began < STEADY:
                raise
            return f"the watch ended: {trouble}"


class _Vigil:
    """One run of the watch: what it is about to look at, and what it has reported."""

    def __init__(self, name: str, driver: Driver, told: Told, client: Client, order: WatchOrder) -> None:
        self._name = name
        self._driver = driver
        self._told = told
        self._client = client
        self._lost = order.lost
        self._reported = order.orphans
        self._sweep = Sweep(name, driver, client, Orphans(driver, told, client), order.zone)
        self._pending: set[str] = set()
        self._boots = Boots()
        self._log = structlog.get_logger().bind(hypervisor=name)

    def beat(self) -> None:
        """Heartbeat, with what people see meanwhile."""
        activity.heartbeat(WatchBeat(boots=self._boots.shown))

    async def keep(self) -> NoReturn:
        """Watch until something ends it."""
        async with _hints(self._driver) as hints:
            next_sweep = math.inf
            while True:
                if await self._gather(hints, next_sweep):
                    await self._swept()
                    next_sweep = time.monotonic() + RESYNC * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
                shown = self._boots.shown
                for uid in sorted(self._pending | self._boots.due()):
                    await self._look(uid)
                if self._boots.shown != shown:
                    self.beat()

    async def _gather(self, hints: Hints, next_sweep: float) -> bool:
        """Wait for hints, or until a look or a sweep is due; return whether to sweep."""
        hint = await self._hint(hints, next_sweep)
        sweep = time.monotonic() >= next_sweep
        while hint is not None:
            if isinstance(hint, BaseException):
                raise hint
            if hint.uid:
                self._pending.add(hint.uid)
            else:
                sweep = True
            hint = hints.get_nowait() if not hints.empty() else None
        return sweep

    async def _hint(self, hints: Hints, next_sweep: float) -> Change | BaseException | None:
        """Return the next hint, or None when something is due first.

        What is due at once now was so before the last turn: a step works on it, or there is much to do. A tick later.
        """
        now = time.monotonic()
        due = min(self._boots.next_look or math.inf, next_sweep)
        delay = TICK if self._pending or due <= now else due - now
        try:
            async with asyncio.timeout(None if delay == math.inf else delay):
                return await hints.get()
        except TimeoutError:
            return None

    async def _swept(self) -> None:
        """Sweep, and report the orphans when they are others than those that were reported last."""
        found = await self._sweep.run(lost=self._lost)
        for uid, incarnation in found.settled.items():
            self._boots.settle(uid, incarnation)
        for published in found.published:
            self._told.assume(published)
        self._pending |= found.doubtful
        if self._lost or found.orphans != self._reported:
            report = Report(orphans=found.orphans)
            await neighbours.signal(self._client, workflow_id("Hypervisor", self._name), Signal.REPORT, report)
            self._lost, self._reported = False, found.orphans

    async def _look(self, uid: str) -> None:
        """Look at one guest and wake its VM if there is news worth a wake."""
        if self._told.busy(uid):
            return
        try:
            seen, progress = await asyncio.to_thread(self._see, uid)
        except Problem as problem:
            if problem.reason == Reason.HYPERVISOR_UNREACHABLE:
                raise
            self._log.warning("a guest cannot be looked at now", uid=uid, trouble=str(problem))
            return  # it is looked at again with the next ones; the others need not wait for it
        if self._told.busy(uid):
            return
        self._pending.discard(uid)
        if self._boots.see(seen, self._told.news(seen), progress):
            await self._wake(seen)
            self._told.tell(seen)
        if seen.power is Power.ABSENT:
            self._told.forget(uid)

    def _see(self, uid: str) -> tuple[Observation, BootProgress | None]:
        """Look at a guest, and at its console while it boots. Blocks."""
        seen = self._driver.observe(uid)
        if not self._boots.watched(seen):
            return seen, None
        return seen, boot_progress(self._driver.console(uid, limit=CONSOLE_TAIL))

    async def _wake(self, seen: Observation) -> None:
        namespace, _, name = self._told.owner(seen).partition("/")
        if name:
            vm = workflow_id("VirtualServer", name, namespace)
            await neighbours.signal(self._client, vm, Signal.WAKE, Wake.GUEST)
        else:
            self._log.warning("a domain without an owner", uid=seen.uid)


@asynccontextmanager
async def _hints(driver: Driver) -> AsyncIterator[Hints]:
    """Pump a driver's hints from a thread into a queue; the thread's end arrives in the queue as well."""
    loop = asyncio.get_running_loop()
    hints: Hints = asyncio.Queue()
    stop = threading.Event()

    def pump() -> None:
        try:
            for hint in driver.changes(stop):
                loop.call_soon_threadsafe(hints.put_nowait, hint)
        except BaseException as error:  # noqa: BLE001 - carried to the activity, which raises it
            loop.call_soon_threadsafe(hints.put_nowait, error)

    pumping = asyncio.create_task(asyncio.to_thread(pump))
    try:
        yield hints
    finally:
        stop.set()
        await asyncio.shield(pumping)
