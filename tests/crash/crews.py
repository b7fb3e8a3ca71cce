"""Workers that can die: played in this process, or real processes that are killed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Protocol
from unittest.mock import patch

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RetryConfig

from domain.backoff import Backoff
from domain.hypervisor import HypervisorSpec
from domain.model import Value
from drivers.simulator import SimulatorDriver
from drivers.simulator import driver as simulator
from tests.crash.cable import Cable
from tests.crash.stage import Role
from tests.crash.striking import Cue, Gone, Order, Reach, Sight, StrikingFaults, StrikingInterceptor
from tests.world import LOOPBACK
from workers.hypervisor import hypervisor_worker
from workers.lifecycle import workers

_GIVE_UP = RetryConfig(max_elapsed_time_millis=1000, max_retries=3)
"""A worker that is cut off for ever is not to be waited for."""


_BACKOFF = Backoff(first=0.3, cap=1.0)
"""Guests that keep ending are started again within a moment."""


class Post(Value):
    """What a worker serves, and where its server is."""

    role: Role
    address: str
    namespace: str
    hypervisor: HypervisorSpec


class Crew(Protocol):
    """One worker's process."""

    async def start(self) -> None:
        """Come to work."""

    def kill(self) -> None:
        """Be gone, in the middle of everything."""

    async def leave(self) -> None:
        """Stop as a worker stops that is told to; dead, be buried."""


@asynccontextmanager
async def serving(post: Post, address: str, reach: Reach) -> AsyncIterator[SimulatorDriver | None]:
    """Serve meanwhile; gives the driver of a worker that has one."""
    client = await Client.connect(
        address,
        namespace=post.namespace,
        data_converter=pydantic_data_converter,
        interceptors=[StrikingInterceptor(reach)],
        retry_config=_GIVE_UP,
    )
    async with AsyncExitStack() as stack:
        if post.role is Role.CENTRAL:
            for worker in workers(client, _BACKOFF):
                await stack.enter_async_context(worker)
            yield None
            return
        assert post.hypervisor.simulator is not None
        with patch.object(simulator, "Faults", partial(StrikingFaults, reach=_blocking(reach))):
            driver = SimulatorDriver(post.hypervisor.simulator)
        stack.callback(driver.close)
        near = stack.enter_context(hypervisor_worker(client, driver, post.hypervisor.name, LOOPBACK))
        await stack.enter_async_context(near)
        yield driver


def _blocking(reach: Reach) -> Callable[[Sight, Cue], Order]:
    loop = asyncio.get_running_loop()

    def ask(sight: Sight, cue: Cue) -> Order:
        return asyncio.run_coroutine_threadsafe(reach(sight, cue), loop).result()

    return ask


class Played:
    """A worker in this process, with a connection, a driver and a cache of its own.

    Killed, it loses its cable and its driver's file in one moment: what its threads go on to do reaches nobody and
    changes nothing.
    """

    def __init__(self, post: Post, reach: Reach) -> None:
        self._post = post
        self._reach = reach
        self._leaving = asyncio.Event()
        self._dead = False

    async def start(self) -> None:
        self._cable = await Cable.lay(self._post.address)
        self._there: asyncio.Future[SimulatorDriver | None] = asyncio.get_running_loop().create_future()
        self._work = asyncio.create_task(self._serve())
        self._work.add_done_callback(lambda _: self._there.cancel())
        with suppress(asyncio.CancelledError):
            await self._there
        if self._work.done():
            await self._work

    async def _serve(self) -> None:
        async with serving(self._post, self._cable.address, self._ask) as driver:
            self._there.set_result(driver)
            await self._leaving.wait()

    async def _ask(self, sight: Sight, cue: Cue) -> Order:
        if self._dead:
            raise Gone
        return await self._reach(sight, cue)

    def kill(self) -> None:
        self._dead = True
        self._cable.cut()
        if self._there.done():
            _close(self._there)
        else:
            self._there.add_done_callback(_close)

    async def leave(self) -> None:
        self._leaving.set()
        await asyncio.wait([self._work])
        self._cable.cut()
        if not self._dead:
            await self._work


def _close(there: asyncio.Future[SimulatorDriver | None]) -> None:
    if (driver := there.result()) is not None:
        driver.close()
