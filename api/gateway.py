"""The gateway put together: what every request handler may ask for."""

import asyncio

from api import reviews
from api.accounts import Accounts
from api.limits import Allowance, Concurrency, Limits
from api.reading import Snapshots
from api.resources import Resource
from api.store import Store
from api.watching import clock
from runtime.objects import Objects


class Gateway:
    """One gateway. It holds caches and counters, and no state: several may serve the same Temporal namespace."""

    def __init__(self, objects: Objects, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._loop = asyncio.get_running_loop()
        self.store = Store(objects)
        self.accounts = Accounts(self.store.of("Account").poller)
        self.snapshots = Snapshots()
        self.requests = Concurrency(self.limits.at_once)
        self.waiting = Concurrency(self.limits.waiting, self.limits.share)
        self.allowance = Allowance(self.limits.rate, self.limits.burst, clock)
        self.strangers = Allowance(self.limits.strangers_rate, self.limits.strangers_burst, clock)

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Everything discovery tells of."""
        return (*(each.resource for each in self.store.served), *reviews.RESOURCES)

    def stop(self) -> None:
        """End watches and streams, so that nothing keeps the process. May be called from a signal handler."""
        self._loop.call_soon_threadsafe(self.store.stop)

    async def close(self) -> None:
        """End what runs in the background."""
        await self.store.close()
