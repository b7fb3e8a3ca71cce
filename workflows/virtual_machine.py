"""The life of a virtual machine, from its declaration to its deletion.

Its loop is four sentences: continue as new when history is long; rest while held or when the table has nothing to do;
else perform the step the table gives; and learn what came of it. Handlers validate and record; only the loop acts.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain import life as lives
    from domain.life import Life, Wake
    from domain.lifecycle import Goal, Step, goal, held, next_step
    from domain.model import Value
    from domain.run_strategy import Operation, refusal
    from domain.status import Condition, conditions
    from manifests.base import InvalidManifestError
    from manifests.contract import (
        PowerAnswer,
        PowerRequest,
        SearchAttribute,
        Signal,
        Update,
        WorkflowType,
    )
    from manifests.status import machine_status, timestamp
    from manifests.virtual_server import VirtualServer
    from workflows.objects import Publisher, Sent, accepted, refused, uid
    from workflows.steps import LONG, STEPS, TOUCHING
    from workflows.trouble import hold_for


class Carried(Value):
    """What a VM takes along when it continues as new."""

    life: Life
    conditions: tuple[Condition, ...]


PLAIN = PowerRequest()
"""What an update without an argument asks."""


@workflow.defn(name=WorkflowType.VIRTUAL_MACHINE)
class VirtualMachine:
    """One virtual machine. Input: its manifest, as people write it; `carried` is for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: Sent = None, carried: Carried | None = None) -> None:
        self._manifest = manifest
        self._problem: InvalidManifestError | None = None
        self._stirred = False
        self._deleting = False
        self._wakes: set[Wake] = set()
        self._conditions = carried.conditions if carried else ()
        self._publisher = Publisher(manifest)
        if carried:
            self._life = carried.life
            return
        try:
            self._life = lives.born(accepted(VirtualServer, manifest).machine(), uid(), workflow.now())
        except InvalidManifestError as problem:
            self._problem = problem

    @workflow.run
    async def run(self, manifest: Sent = None, carried: Carried | None = None) -> str:
        """Live until deleted; returns a sentence for the Temporal UI."""
        del manifest, carried
        if self._problem:
            return await refused(self._publisher, "VirtualServer", self._problem, lambda: self._deleting)
        while (step := next_step(self._life)) is not Step.END:
            if workflow.info().is_continue_as_new_suggested() and workflow.all_handlers_finished():
                self._publisher.continue_as_new(self._manifest, self._carried())
            if step is Step.REST or held(self._life, workflow.now()):
                await self._rest()
            else:
                await self._perform(step)
        return "deleted; nothing is left"

    @workflow.update(name=Update.START)
    def start(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """Run the guest."""
        return self._ask(Operation.START, request)

    @workflow.update(name=Update.STOP)
    def stop(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """Stop the guest: by its agent, then by ACPI, after the grace period by power-off; at once when forced."""
        return self._ask(Operation.STOP, request)

    @workflow.update(name=Update.RESTART)
    def restart(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """End the running incarnation and start another."""
        return self._ask(Operation.RESTART, request)

    @start.validator
    def _may_start(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.START, request)

    @stop.validator
    def _may_stop(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.STOP, request)

    @restart.validator
    def _may_restart(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.RESTART, request)

    @workflow.signal(name=Signal.DELETE)
    def delete(self, _reason: Any = None) -> None:  # noqa: ANN401 - whatever a client sends along, it is a delete
        """Delete the VM. Accepted with every worker down; nothing takes it back."""
        self._deleting = True
        if self._problem is None:
            self._life = lives.deleted(self._life, workflow.now())
        self._stirred = True

    @workflow.signal(name=Signal.WAKE)
    def wake(self, about: Wake = Wake.GUEST) -> None:
        """Say that something may have changed: a hint, never a fact."""
        if self._problem is None:
            self._life = lives.woken(self._life, about)
        self._wakes.add(about)
        self._stirred = True

    async def _rest(self) -> None:
        """Wait for a request, a wake, or the time at which a held step is tried again."""
        self._publish()
        hold = self._life.hold if held(self._life, workflow.now()) else None
        timeout = hold.until - workflow.now() if hold and hold.until else None
        self._stirred = False
        await self._until(lambda: self._stirred, timeout)

    async def _until(self, condition: Callable[[], bool], within: timedelta | None = None) -> None:
        """Wait for a condition, at most so long. Cancelling the workflow is asking for the VM's deletion."""
        try:
            await workflow.wait_condition(condition, timeout=within)
        except TimeoutError:
            return
        except asyncio.CancelledError:
            self.delete()

    async def _perform(self, step: Step) -> None:
        """Perform one step; drop it when something else is wanted meanwhile.

        A wake that comes during a step may be about what the step saw too early, so it counts again after it.
        """
        self._wakes.clear()
        self._life = self._life.but(touched=self._life.touched or step in TOUCHING)
        if step in LONG:
            self._publish()
        aim = self._aim()
        work = asyncio.create_task(STEPS[step](self._life))
        await self._until(lambda: work.done() or (step in LONG and self._aim() != aim))
        if step in LONG and not work.done():
            work.cancel()
            self._publish()
        while not work.done():
            await self._until(work.done)
        try:
            learn = work.result()
        except (ActivityError, asyncio.CancelledError) as error:
            if self._aim() == aim and isinstance(error, ActivityError):
                self._life = self._life.but(hold=hold_for(error, self._life.hold, workflow.now()))
            else:
                self._life = self._life.but(stale=self._life.touched)
        else:
            self._life = learn(self._life)
        for wake in sorted(self._wakes):
            self._life = lives.woken(self._life, wake)

    def _aim(self) -> tuple[Goal, str, bool]:
        """Return what the current step serves; a step is dropped when this changes under it."""
        return goal(self._life), self._life.ending, self._life.forced

    def _admit(self, operation: Operation, request: PowerRequest) -> None:
        if self._problem:
            raise ApplicationError(str(self._problem), type=self._problem.reason, non_retryable=True)
        if self._life.deleting:
            raise _conflict(f"{operation} is too late: the VM is being deleted")
        known = _request_id(request) in self._life.requests
        harder = operation is Operation.STOP and request.force and self._life.observed.alive
        why = refusal(self._life.strategy, operation)
        if why and not known and not harder:
            raise _conflict(why)

    def _ask(self, operation: Operation, request: PowerRequest) -> PowerAnswer:
        self._life = lives.asked_for(self._life, operation, _request_id(request), force=request.force)
        self._stirred = True
        return PowerAnswer(run_strategy=self._life.strategy)

    def _carried(self) -> Carried:
        return Carried(life=self._life, conditions=self._conditions)

    def _publish(self) -> None:
        life, now = self._life, workflow.now()
        self._conditions = conditions(life, self._conditions, now)
        status = machine_status(life, self._conditions, now)
        self._publisher.publish(
            status,
            {
                SearchAttribute.KIND: "VirtualServer",
                SearchAttribute.NAMESPACE: life.spec.namespace,
                SearchAttribute.NAME: life.spec.name,
                SearchAttribute.STATUS: status["printableStatus"],
                SearchAttribute.HYPERVISOR: life.hypervisor,
            },
            uid=life.uid,
            creationTimestamp=timestamp(life.created),
            deletionTimestamp=timestamp(life.deleting) if life.deleting else "",
        )
        workflow.set_current_details(f"**{status['printableStatus']}** ({status['reason']}): {status['message']}")


def _conflict(why: str) -> ApplicationError:
    return ApplicationError(why, type="Conflict", non_retryable=True)


def _request_id(request: PowerRequest) -> str:
    info = workflow.current_update_info()
    return request.request or (info.id if info else "")
