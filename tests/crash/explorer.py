"""Leads lives and strikes them: once cleanly, to learn where a life comes by, then once for every point."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, closing, suppress
from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowHandle

from runtime.objects import Document
from runtime.wait import until
from tests.crash.audit import Scene, audit
from tests.crash.evidence import breaches
from tests.crash.host import Host
from tests.crash.installation import Installation
from tests.crash.lives import ACTS, GONE, LIVES, OF_PROCESSES, Act, Expected, Player
from tests.crash.points import Place, Point, needs_a_process, points

_POLL = 0.2
"""Seconds between two looks."""
_TRIES = 3
"""How often a life is led that does not come by the place where it is to be struck."""
_REST = 150.0
"""Seconds within which a life comes to rest whatever struck it, on a machine that has much else to do."""


@dataclass(frozen=True)
class Run:
    """What became of one life."""

    life: str
    strikes: tuple[Point, ...]
    reached: tuple[Place, ...]
    fired: tuple[Point, ...]
    findings: tuple[str, ...]

    @property
    def failed(self) -> bool:
        return bool(self.findings)

    @property
    def missed(self) -> bool:
        """All went well, and the life did not come by what was to be struck: two things at once ended otherwise."""
        return bool(self.strikes) and self.findings == (unstruck(()),)

    @property
    def diverted(self) -> bool:
        """The first of two strikes made the life go another way, on which there was no room for the second."""
        return len(self.strikes) > len(self.fired) > 0 and self.findings == (unstruck(self.fired),)


def unstruck(fired: Iterable[Point]) -> str:
    """Return the finding that not every fault has struck."""
    return f"proof: struck were {', '.join(map(str, fired)) or 'none'}"


def _told(step: PendingActivityInfo) -> str:
    """Say how an activity stands that is under way: who has it, since when, and what its last attempt met."""
    state = PendingActivityState.Name(step.state).rpartition("_")[2].lower()
    since = step.last_started_time.ToDatetime().time()
    heard = step.last_heartbeat_time.ToDatetime().time()
    met = step.last_failure.message or "nothing"
    return (
        f"{step.activity_type.name}: {state}, attempt {step.attempt} of {step.last_worker_identity} since {since},"
        f" last heard of at {heard}; before it: {met}"
    )


class Explorer:
    """Explores lives over a number of installations, one life at a time in each.

    patience:  seconds after which neighbours of a VM at rest must agree.
    processes: leads the lives in which only a real process can be struck.
    """

    def __init__(
        self,
        install: Callable[[], AbstractAsyncContextManager[Installation]],
        *,
        at_once: int,
        patience: float = 90.0,
        processes: "Explorer | None" = None,
    ) -> None:
        self._install = install
        self._processes = processes
        self._patience = patience
        self._room = asyncio.Semaphore(at_once)
        self._idle: list[tuple[Installation, AsyncExitStack]] = []
        self._number = 0

    async def lead(self, life: str, *strikes: Point) -> Run:
        """Lead a life, strike it, and audit it at rest and when it is gone.

        An installation in which a life failed is used no more: what was left there is not the next life's.
        """
        if self._processes is not None and any(map(needs_a_process, strikes)):
            return await self._processes.lead(life, *strikes)
        for _ in range(_TRIES):
            run = await self._lead(life, *strikes)
            if not run.missed:
                break
        return run

    async def _lead(self, life: str, *strikes: Point) -> Run:
        async with self._room:
            installation, opened = self._idle.pop() if self._idle else await self._open()
            self._number += 1
            run = await _Living(installation, life, strikes, f"vm{self._number}", self._patience).live()
            installation.bury()
            if run.failed:
                await opened.aclose()
            else:
                self._idle.append((installation, opened))
            return run

    async def explore(self, life: str) -> list[Run]:
        """Lead a life cleanly, then once for each of its points; return all runs, the clean one first."""
        clean = await self.lead(life)
        if clean.failed:
            return [clean]
        return [clean, *await asyncio.gather(*(self.lead(life, point) for point in points(clean.reached)))]

    async def close(self) -> None:
        """Close every installation."""
        await asyncio.gather(*(opened.aclose() for _, opened in self._idle))

    async def _open(self) -> tuple[Installation, AsyncExitStack]:
        opened = AsyncExitStack()
        return await opened.enter_async_context(self._install()), opened


class _Living:
    """One life in one installation."""

    def __init__(
        self, installation: Installation, life: str, strikes: tuple[Point, ...], name: str, patience: float
    ) -> None:
        self._patience = patience
        self._life = life
        self._strikes = strikes
        self._world = installation.world
        self._host = Host(self._world.directory)
        self._stage = installation.stage = installation.new_stage(strikes)
        self._player = Player(self._world, self._stage, name)
        self._expected = Expected()
        self._disk = ""
        self._findings: list[str] = []

    async def live(self) -> Run:
        """Play every act until one goes wrong."""
        life = {**LIVES, **OF_PROCESSES}[self._life]
        self._stage.since = life.since
        try:
            for name, following in zip(life.acts, [*life.acts[1:], ""], strict=True):
                self._stage.recording = name in life.explored
                async with asyncio.timeout(_REST):
                    await self._play(ACTS[name])
                if GONE in {ACTS[name].power, ACTS.get(following, ACTS[name]).power}:
                    self._findings += await self._audit()
                if self._findings:
                    break
            else:
                self._findings += [*await self._proof(), *await self._breaches()]
        except TimeoutError:
            self._findings += [f"never at rest after {name}", *await self._audit()]
        finally:
            self._stage.close()
            self._host.close()
        fired = tuple(self._stage.fired)
        return Run(self._life, self._strikes, tuple(self._stage.reached), fired, tuple(self._findings))

    async def _play(self, act: Act) -> None:
        await act.do(self._player)
        self._expected = act.expected(self._expected)
        await until(self._at_rest, every=_POLL)
        if not self._disk and self._expected.power_ons:
            self._write_disk()

    async def _proof(self) -> list[str]:
        """See that every fault has struck, those included that strike when all is over."""
        self._stage.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await until(self._stage.settled, every=_POLL)
        fired = self._stage.fired
        if sorted(fired) == sorted(self._strikes):
            return []
        return [unstruck(fired)]

    async def _breaches(self) -> list[str]:
        history = await self._vm().fetch_history()
        return breaches(history.events, self._player.uid)

    async def _at_rest(self) -> bool:
        """Return whether the VM stands as it must, or can no longer come to."""
        uid, expected, seen = self._player.uid, self._expected, self._host.observe(self._player.uid)
        power_ons, reboots = self._host.happened(uid, "started"), self._host.happened(uid, "rebooted")
        description = await self._vm().describe()
        if power_ons > expected.power_ons + expected.perhaps or description.status is WorkflowExecutionStatus.FAILED:
            return True
        if (seen.power, reboots) != (expected.power, expected.reboots) or power_ons < expected.power_ons:
            return False
        status = (await self._object(description)).get("status", {})
        vm = status.get("vm", {})
        return (
            status.get("printableStatus", "") == expected.status
            and (vm.get("power", GONE), vm.get("incarnation", "")) == (seen.power, seen.incarnation)
            and status.get("resources", {}).get("cpus", expected.cpus) == expected.cpus
        )

    async def _audit(self) -> list[str]:
        """Audit until nothing is found: what neighbours are told may be on its way for a moment."""
        found: list[str] = []

        async def clean() -> bool:
            nonlocal found
            found = audit(await self._scene())
            return not found

        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await until(clean, every=_POLL)
        return found

    async def _scene(self) -> Scene:
        player, world, host = self._player, self._world, self._host
        description = await self._vm().describe()
        status = description.status
        return Scene(
            vm=description.id,
            expected=self._expected,
            seen=host.observe(player.uid),
            kept=host.things(player.uid),
            strangers=host.strangers(player.uid),
            leftovers=host.leftovers(),
            power_ons=host.happened(player.uid, "started"),
            reboots=host.happened(player.uid, "rebooted"),
            disk=self._disk,
            object=await self._object(description),
            ended=status.name if status and status is not WorkflowExecutionStatus.RUNNING else "",
            pending=[_told(each) for each in description.raw_description.pending_activities],
            zone=await world.zone_status(),
            images=await world.images(),
            cached=host.images(),
            running=[each.id async for each in world.client.list_workflows("ExecutionStatus = 'Running'")],
        )

    def _vm(self) -> WorkflowHandle[Any, Any]:
        return self._world.handle(self._player.name)

    async def _object(self, description: WorkflowExecutionDescription) -> Document:
        """Return what the VM publishes; an empty object when its life is over."""
        if description.status is not WorkflowExecutionStatus.RUNNING:
            return {}
        return await self._world.objects.document(description)

    def _write_disk(self) -> None:
        """Let the guest write, so that a disk that is made anew is told from the one it had."""
        with closing(self._world.control()) as control:
            control.write_disk(self._player.uid)
            self._disk = control.disk(self._player.uid)["content"]
