"""Where a worker can be struck: around every activity, and at every fault point of the simulator inside one.

The worker asks its stage at each moment what is to happen (`Reach`) and does as it is told. A stage that wants a crash
never answers: the worker is gone by then, and the thread or coroutine that asked goes no further.
"""

import asyncio
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

from temporalio import activity, client
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.problems import ProblemReport
from domain.model import Value
from domain.problem import Problem, Verdict
from drivers.base import Beat
from drivers.simulator import faults
from drivers.simulator.store import Store

_UNSTRUCK = {"prepare", "watch"}
"""Activities of the hypervisor's life, which belong to no VM."""


class Sight(Value):
    """Where a worker stands: in an activity, and there at a fault point of the driver unless `call` is empty."""

    activity: str
    workflow: str
    run: str
    id: str
    local: bool
    call: str = ""


class Cue(StrEnum):
    """When a worker asks."""

    BEFORE = "before"
    AFTER = "after"
    LATE = "late"
    """Its activity is over; it has been told to do something more."""
    REPEATED = "repeated"
    """It made a call once more."""


class Order(StrEnum):
    """What it is told."""

    GO = "go"
    FAIL = "fail"
    LOSE = "lose"
    """Say that the hypervisor, or the zone, cannot be reached."""
    RACE = "race"
    """Make the call twice at once."""
    AGAIN = "again"
    """Make the call once more, now."""
    ECHO = "echo"
    """Answer, and make the call once more when told that the answer has arrived."""
    WITHHOLD = "withhold"
    """Keep the answer until told; the server has given up waiting by then."""


Reach = Callable[[Sight, Cue], Coroutine[Any, Any, Order]]


class Gone(BaseException):
    """What a thread of a dead worker meets when its life is over and it is buried: nothing it does now counts."""


class StrikingInterceptor(client.Interceptor, Interceptor):
    """Lets a stage strike the activities of every worker that uses a client."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - SDK's name
        return _Inbound(next, self._reach)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, reach: Reach) -> None:  # noqa: A002 - SDK's name
        super().__init__(next)
        self._reach = reach

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - SDK's signature
        sight = here()
        if sight is None:
            return await self.next.execute_activity(input)
        match await self._reach(sight, Cue.BEFORE):
            case Order.FAIL:
                raise _failure(sight)
            case Order.RACE:
                calls = [asyncio.create_task(self.next.execute_activity(input)) for _ in range(2)]
                await asyncio.wait(calls)
                await self._reach(sight, Cue.REPEATED)
                calls[1].exception()  # one of the two may be refused, and is then made again
                result = await calls[0]
            case _:
                result = await self.next.execute_activity(input)
        match await self._reach(sight, Cue.AFTER):
            case Order.LOSE:
                raise _failure(sight)
            case Order.AGAIN:
                result = await self.next.execute_activity(input)
                await self._reach(sight, Cue.REPEATED)
            case Order.WITHHOLD:
                await self._reach(sight, Cue.LATE)
            case Order.ECHO:
                self._echoing = asyncio.create_task(self._echo(sight, input))
        return result

    async def _echo(self, sight: Sight, input: ExecuteActivityInput) -> None:  # noqa: A002 - SDK's name
        await self._reach(sight, Cue.LATE)
        await self.next.execute_activity(input)
        await self._reach(sight, Cue.REPEATED)


class StrikingFaults(faults.Faults):
    """The simulator's faults, with a stage that strikes first. `reach` blocks."""

    def __init__(self, store: Store, reach: Callable[[Sight, Cue], Order]) -> None:
        super().__init__(store)
        self._reach = reach

    def strike(self, call: str, uid: str, moment: faults.Moment, beat: Beat) -> None:
        sight = here(call)
        if sight is not None and self._reach(sight, Cue(moment.value)) is not Order.GO:
            raise Problem.retry("Injected", "a fault of the crash explorer", field=call)
        super().strike(call, uid, moment, beat)


def here(call: str = "") -> Sight | None:
    """Return where this thread or coroutine stands; None outside of a VM's steps."""
    if not activity.in_activity():
        return None
    info = activity.info()
    if info.activity_type in _UNSTRUCK:
        return None
    return Sight(
        activity=info.activity_type,
        workflow=info.workflow_id or "",
        run=info.workflow_run_id or "",
        id=info.activity_id,
        local=info.is_local,
        call=call,
    )


def _failure(sight: Sight) -> ApplicationError:
    """Return the error an activity reports that cannot reach what it is about, as the ProblemInterceptor puts it."""
    reason = "ZoneUnreachable" if sight.local else "HypervisorUnreachable"
    told = "a fault of the crash explorer"
    report = ProblemReport(reason=reason, message=told, field=sight.activity, verdict=Verdict.RETRY)
    return ApplicationError(told, report, type=reason)
