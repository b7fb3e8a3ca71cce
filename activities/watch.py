"""The watch: one activity per hypervisor that turns what happens there into wakes of the VMs concerned.

Hints come from the driver; each is checked by a look, and a VM is woken only when it has not been told. After every
(re)connect and about once an hour a sweep compares the whole inventory with what the VMs publish, so that losing every
hint still converges. Its heartbeat carries how far booting guests are.
"""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from pydantic import Field
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.told import News, Told
from domain.boot import BootProgress, boot_progress
from domain.guest import GuestInfo, Observation, Power, absent
from domain.life import BOOT_PATIENCE, Wake
from domain.model import Value
from domain.status import AT_REST
from drivers.base import Change, Driver
from manifests.contract import OBJECT_MEMO, SearchAttribute, Signal, workflow_id

TICK = 1.0
"""Seconds between looks at guests that boot, and between heartbeats while any does."""

SETTLE = 15.0
"""Seconds a guest gets between its first sign of life and the wake, so that agent and address make one wake."""

RESYNC = 3600.0
"""Seconds between sweeps when nothing happens, give or take a tenth."""

CONSOLE_TAIL = 16384
"""Bytes of serial console that are read to tell how far a guest is."""


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
        self._log = structlog.get_logger().bind(hypervisor=name)

    @activity.defn
    async def watch(self) -> None:
        """Watch until cancelled, or until the driver cannot reach its hypervisor (a Problem that is retried)."""
        self._pending: set[str] = set()
        self._booting: dict[str, float] = {}
        self._shown: dict[str, float] = {}
        self._gentle: dict[str, float] = {}
        async with self._hints() as hints:
            next_sweep = 0.0
            while True:
                swept = await self._gather(hints, next_sweep)
                if swept:
                    next_sweep = time.monotonic() + RESYNC * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
                for uid in sorted(self._pending | set(self._booting) | set(self._gentle)):
                    await self._look(uid)
                activity.heartbeat(WatchBeat(boots=await asyncio.to_thread(self._progress)))

    async def _gather(self, hints: asyncio.Queue[Change | BaseException], next_sweep: float) -> bool:
        """Wait at most a tick for hints; return whether everything was swept."""
        sweep = time.monotonic() >= next_sweep > 0
        try:
            async with asyncio.timeout(TICK):
                hint = await hints.get()
        except TimeoutError:
            hint = None
        while hint is not None:
            if isinstance(hint, BaseException):
                raise hint
            if hint.uid:
                self._pending.add(hint.uid)
            else:
                sweep = True
            hint = hints.get_nowait() if not hints.empty() else None
        if sweep:
            await self._sweep()
        return sweep

    async def _look(self, uid: str) -> None:
        """Look at one guest and wake its VM if there is news worth a wake."""
        if self._told.busy(uid):
            return
        seen = await asyncio.to_thread(self._driver.observe, uid)
        if self._told.busy(uid):
            return
        self._pending.discard(uid)
        news = self._told.news(seen)
        since = self._booting.pop(uid, time.monotonic())
        silent = time.monotonic() - since > BOOT_PATIENCE.total_seconds()
        if seen.power is Power.RUNNING and not seen.guest.agent and not silent:
            self._booting[uid] = since
            self._shown.setdefault(uid, since)
        if self._ripe(seen, news) or silent:
            await self._wake(seen)
            self._told.tell(seen)
        if seen.power is not Power.RUNNING:
            self._shown.pop(uid, None)
        if seen.power is Power.ABSENT:
            self._told.forget(uid)

    def _ripe(self, seen: Observation, news: News) -> bool:
        """Return whether to wake now. Gentle news waits for its other half, but not for ever."""
        if news is not News.GENTLE:
            self._gentle.pop(seen.uid, None)
            return news is News.URGENT
        since = self._gentle.setdefault(seen.uid, time.monotonic())
        whole = seen.guest.agent and bool(seen.guest.addresses)
        if not whole and time.monotonic() - since < SETTLE:
            return False
        del self._gentle[seen.uid]
        return True

    async def _wake(self, seen: Observation) -> None:
        namespace, _, name = self._told.owner(seen).partition("/")
        if name:
            await self._wake_vm(workflow_id("VirtualServer", name, namespace))
        else:
            self._log.warning("a domain without an owner", uid=seen.uid)

    async def _wake_vm(self, vm: str) -> None:
        await self._signal(vm, Signal.WAKE, Wake.GUEST)

    async def _signal(self, target: str, signal: Signal, *arguments: object) -> None:
        try:
            await self._client.get_workflow_handle(target).signal(signal, args=arguments)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            self._log.warning("nobody is there to be woken", workflow=target)

    async def _sweep(self) -> None:
        """Compare every guest here with what its VM publishes; wake on difference and where a VM is not at rest."""
        inventory = {seen.uid: seen for seen in await asyncio.to_thread(self._driver.inventory)}
        query = (
            f"{SearchAttribute.KIND} = 'VirtualServer' AND {SearchAttribute.HYPERVISOR} = '{self._name}'"
            " AND ExecutionStatus = 'Running'"
        )
        async for listed in self._client.list_workflows(query):
            document: dict[str, Any] = await listed.memo_value(OBJECT_MEMO, default={})
            uid = document.get("metadata", {}).get("uid", "")
            published = _published(uid, listed.id, document.get("status", {}))
            seen = inventory.get(uid, absent(uid))
            reason = document.get("status", {}).get("reason", "")
            if reason not in AT_REST or (seen.power, seen.incarnation) != (published.power, published.incarnation):
                await self._wake_vm(listed.id)
            elif seen.power is Power.RUNNING and not published.guest.agent:
                self._pending.add(uid)
            self._told.assume(published)
        await self._wake_images()

    async def _wake_images(self) -> None:
        """Let failed imports try again: they may have failed because nobody served this hypervisor."""
        failed = (
            f"{SearchAttribute.KIND} = 'Image' AND {SearchAttribute.STATUS} = 'Failed' AND ExecutionStatus = 'Running'"
        )
        async for listed in self._client.list_workflows(failed):
            await self._signal(listed.id, Signal.WAKE)

    def _progress(self) -> dict[str, BootProgress]:
        """Return how far guests are, from power-on until cloud-init says that it has finished, or time is up."""
        progress = {uid: boot_progress(self._driver.console(uid, limit=CONSOLE_TAIL)) for uid in self._shown}
        latest = time.monotonic() - BOOT_PATIENCE.total_seconds()
        over = {uid for uid, since in self._shown.items() if since < latest or progress[uid].finished}
        self._shown = {uid: since for uid, since in self._shown.items() if uid not in over}
        return progress

    @asynccontextmanager
    async def _hints(self) -> AsyncIterator[asyncio.Queue[Change | BaseException]]:
        """Pump the driver's hints from a thread into a queue; the thread's end arrives in the queue as well."""
        loop = asyncio.get_running_loop()
        hints: asyncio.Queue[Change | BaseException] = asyncio.Queue()
        stop = threading.Event()

        def pump() -> None:
            try:
                for hint in self._driver.changes(stop):
                    loop.call_soon_threadsafe(hints.put_nowait, hint)
            except BaseException as error:  # noqa: BLE001 - carried to the activity, which raises it
                loop.call_soon_threadsafe(hints.put_nowait, error)

        pumping = asyncio.create_task(asyncio.to_thread(pump))
        try:
            yield hints
        finally:
            stop.set()
            await asyncio.shield(pumping)


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
        ),
    )
