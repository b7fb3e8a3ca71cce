"""One poller for each kind, shared by every list and every watch of it.

A list asks for a fresh listing: those that ask while one is under way share the next one, so a thousand lists cost two.
As long as somebody watches, a background task lists what is watched again and again; nobody watching, it ends.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from temporalio.service import RPCError

from api.cache import EVERYTHING, Cache, Document, Key, Scope
from api.sources import Source

log = structlog.get_logger()

BUSY_SECONDS = 10.0
"""How long after a change the next ones are looked for often."""

QUICK = 0.2
"""The least seconds between two looks while something changes."""

CALM = 1.0
"""The least seconds between two looks while nothing does."""

SLOWEST = 30.0
"""The most seconds between two looks, however long one takes."""

TROUBLE = 2.0
"""Seconds until the next look when Temporal did not answer."""

_EPOCH = time.time() - time.monotonic()


def clock() -> float:
    """Return seconds since 1970, by a clock that nobody sets while the gateway runs."""
    return _EPOCH + time.monotonic()


class Poller:
    """What the gateway knows of one kind, kept as fresh as those who ask need it."""

    def __init__(self, source: Source) -> None:
        self.cache = Cache()
        self._source = source
        self._running: dict[Scope, asyncio.Task[None]] = {}
        self._queued: dict[Scope, asyncio.Task[None]] = {}
        self._watched: Counter[Scope] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._told = 0
        self._stirred = 0.0
        self._asked = asyncio.Event()
        self.closed = False

    async def fresh(self, scope: Scope = EVERYTHING) -> Cache:
        """Return the cache when it knows everything that was listed before this call."""
        if scope in self._running:
            if scope not in self._queued:
                self._queued[scope] = asyncio.create_task(self._after(self._running[scope], scope))
            task = self._queued[scope]
        else:
            task = self._start(scope)
        await asyncio.shield(task)
        return self.cache

    async def peek(self, key: Key) -> Document | None:
        """Return one object as it is now, and tell nobody; None when there is none."""
        fed = await self._source.look(key)
        return fed.document if fed else None

    async def look(self, key: Key) -> Document | None:
        """Return one object as it is now, and remember it; None when there is none."""
        fed = await self._source.look(key)
        before = self.cache.entry(key)
        if fed is None:
            if before is not None:
                self.cache.drop(key, before.row.run, clock())
                self._tell()
            return None
        self.cache.put(fed, clock())
        self._tell()
        return fed.document

    def knows(self, scope: Scope) -> bool:
        """Tell whether a scope is being kept fresh for somebody."""
        return self._task is not None and any(
            scope.within(watched) and self.cache.watched_from(watched, self.cache.stamp) for watched in self._watched
        )

    def stir(self) -> None:
        """Say that something is about to change: watchers are to see it soon."""
        self._stirred = time.monotonic()
        self._asked.set()

    @contextmanager
    def watching(self, scope: Scope) -> Iterator[None]:
        """Keep a scope fresh meanwhile."""
        self._watched[scope] += 1
        if self._task is None:
            self._task = asyncio.create_task(self._poll())
        self._asked.set()
        try:
            yield
        finally:
            self._watched[scope] -= 1
            if not self._watched[scope]:
                del self._watched[scope]
            if not self._watched and self._task is not None:
                self._task.cancel()
                self._task = None

    async def changed(self, stamp: int, within: float) -> bool:
        """Wait until something has arrived after a stamp, at most so many seconds; tell whether it has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.cache.latest <= stamp and not self.closed:
                    await self._changed.wait()
        return self.cache.latest > stamp

    def stop(self) -> None:
        """End watches."""
        self.closed = True
        self._changed.set()

    async def close(self) -> None:
        """End what is under way, watches among it."""
        self.stop()
        tasks = [*self._running.values(), *self._queued.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def polls(self) -> bool:
        """Tell whether the background task runs."""
        return self._task is not None

    def _start(self, scope: Scope) -> asyncio.Task[None]:
        task = asyncio.create_task(self._list(scope))
        self._running[scope] = task
        task.add_done_callback(lambda done: self._done(scope, done))
        return task

    def _done(self, scope: Scope, task: asyncio.Task[None]) -> None:
        if self._running.get(scope) is task:
            del self._running[scope]
        if not task.cancelled():
            task.exception()  # everybody who waited for it has it; nobody may have

    async def _after(self, running: asyncio.Task[None], scope: Scope) -> None:
        await asyncio.wait([running])
        del self._queued[scope]
        await asyncio.shield(self._start(scope))

    async def _list(self, scope: Scope) -> None:
        """List a scope and read what has changed in it."""
        began = clock()
        if scope.name is not None and scope.namespace is not None:
            await self.look(Key(scope.namespace, scope.name))
            self.cache.born(scope, began)
            return
        rows, read = [], []
        async for listed in self._source.listing(scope):
            rows.append(listed.row)
            if self.cache.news(listed.row):
                read.append(await listed.read())
        self.cache.merge(scope, rows, read, began, clock())
        self._tell()

    def _tell(self) -> None:
        """Wake who waits for changes, when there are any."""
        if self.cache.latest == self._told:
            return
        self._told = self.cache.latest
        self._changed.set()
        self._changed = asyncio.Event()

    async def _poll(self) -> None:
        while True:
            began, known = time.monotonic(), self.cache.latest
            self._asked.clear()
            if not await self._refreshed():
                await asyncio.sleep(TROUBLE)
                continue
            now = time.monotonic()
            if self.cache.latest != known:
                self._stirred = now
            busy = now - self._stirred < BUSY_SECONDS
            took = now - began
            pause = max(QUICK, took) if busy else max(CALM, 4 * took)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(pause, SLOWEST)):
                    await self._asked.wait()

    async def _refreshed(self) -> bool:
        """List what is watched; tell whether that went well."""
        try:
            for scope in _widest(self._watched):
                await self.fresh(scope)
        except RPCError as error:
            log.warning("Temporal does not answer; watchers wait", trouble=str(error))
        except Exception:
            log.exception("a listing failed; watchers wait")
        else:
            return True
        return False


def _widest(scopes: Counter[Scope]) -> list[Scope]:
    """Return the scopes that are in no other."""
    return [scope for scope in scopes if not any(scope != other and scope.within(other) for other in scopes)]
