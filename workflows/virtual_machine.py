"""The life of a virtual machine, from its declaration to its deletion.

Its loop is four sentences: continue as new when history is long; rest while held or when the table has nothing to do;
else perform the step the table gives; and learn what came of it. Handlers validate and record; only the loop acts.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from domain import life as lives
    from domain import requests
    from domain.life import Hold, Life, Wake
    from domain.lifecycle import Goal, Step, begun, goal, held, next_step, tried_again
    from domain.model import Value
    from domain.problem import Verdict
    from domain.requests import Request
    from domain.run_strategy import Operation
    from domain.status import UNREACHABLE, Condition, conditions
    from manifests.base import InvalidManifestError
    from manifests.contract import PowerAnswer, ReplaceAnswer, SearchAttribute, Signal, WorkflowType
    from manifests.status import machine_status, timestamp
    from manifests.virtual_server import VirtualServer
    from workflows.edits import asked_to_go, conflict, outdated, refusal
    from workflows.objects import Publisher, Sent, accepted, refused, uid
    from workflows.operations import Operated
    from workflows.steps import LONG, STEPS
    from workflows.trouble import hold_for


class Carried(Value):
    """What a VM takes along when it continues as new."""

    life: Life
    conditions: tuple[Condition, ...]


@workflow.defn(name=WorkflowType.VIRTUAL_MACHINE)
class VirtualMachine(Operated):
    """One virtual machine. Input: its manifest, as people write it; `carried` is for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: Sent = None, carried: Sent = None) -> None:
        self._manifest = manifest
        self._problem: InvalidManifestError | None = None
        self._stirred = False
        self._deleting = False
        self._wakes: set[Wake] = set()
        self._conditions: tuple[Condition, ...] = ()
        self._publisher = Publisher(manifest)
        try:
            self._declared = accepted(VirtualServer, manifest)
            self._life = self._resumed(carried)
        except InvalidManifestError as problem:
            self._problem = problem

    @workflow.run
    async def run(self, manifest: Sent = None, carried: Sent = None) -> str:
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

    @workflow.signal(name=Signal.DELETE)
    def delete(self, request: Any = None) -> None:  # noqa: ANN401 - whatever a client sends along, it is a delete
        """Delete the VM. Accepted with every worker down; nothing takes it back."""
        self._deleting = True
        if self._problem is None:
            self._life = requests.deleted(self._life, workflow.now(), asked_to_go(request))
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
        now = workflow.now()
        again = tried_again(self._life, now) if held(self._life, now) else None
        timeout = again - now if again else None
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
        before = self._life
        self._life = begun(self._life, step, workflow.now())
        if step in LONG:
            self._publish()
        aim = self._aim()
        work = asyncio.create_task(STEPS[step](self._life))
        await self._until(lambda: work.done() or self._aim() != aim)
        if not work.done():
            if step in LONG:
                work.cancel()
            self._publish()
        while not work.done():
            await self._until(work.done)
        try:
            learn = work.result()
        except (FailureError, asyncio.CancelledError) as error:
            if self._aim() == aim and isinstance(error, FailureError):
                self._life = self._failed(step, before, hold_for(error, self._life.hold, workflow.now()))
            else:
                self._life = self._life.but(stale=self._life.touched)
        else:
            self._life = learn(self._life)
        for wake in sorted(self._wakes):
            self._life = lives.woken(self._life, wake)

    def _failed(self, step: Step, before: Life, hold: Hold) -> Life:
        """Return the life after a step that failed. An order that can never be carried out is taken back, and told."""
        if step is Step.STOP and hold.reason in UNREACHABLE:  # nobody is known to have asked the guest
            return self._life.but(hold=hold, asked_to_end=before.asked_to_end)
        if step is Step.ORDER and hold.verdict is Verdict.TERMINAL:
            told = hold.model_copy(update={"until": workflow.now()})  # whoever waits behind it is not held up
            return self._life.but(hold=told, orders=self._life.orders[1:])
        return self._life.but(hold=hold)

    def _aim(self) -> tuple[Goal, str, float | None]:
        """Return what the current step serves; a step is dropped when this changes under it."""
        return goal(self._life), self._life.ending, self._life.grace

    def _admit(self, operation: Operation, request: Request) -> None:
        """Refuse what cannot be done now; a request that was accepted before is accepted again."""
        if self._problem:
            raise refusal(self._problem)
        why = requests.objection(self._life, operation, force=request.force)
        if why and request.id not in self._life.requests:
            raise conflict(why)

    def _ask(self, operation: Operation, request: Request) -> PowerAnswer:
        self._life = requests.asked_for(self._life, operation, request, workflow.now())
        self._stirred = True
        return PowerAnswer(run_strategy=self._life.strategy)

    def _admit_edit(self, manifest: Sent, request: Request, version: str) -> None:
        if self._problem:
            raise refusal(self._problem)
        if request.id in self._life.requests:
            return
        if self._life.deleting:
            raise conflict("the edit is too late: the VM is being deleted")
        if self._publisher.changed_since(version):
            raise outdated()
        try:
            accepted(VirtualServer, manifest).check_edit(self._declared)
        except InvalidManifestError as problem:
            raise refusal(problem) from problem

    def _edit(self, manifest: Sent, request: Request) -> ReplaceAnswer:
        if request.id not in self._life.requests:
            self._declared = accepted(VirtualServer, manifest)
            self._manifest = self._declared.document()
            self._life = requests.declared(self._life, self._declared.machine(), request, workflow.now())
            self._publisher.declare(self._manifest, generation=self._life.generation)
            self._stirred = True
        return ReplaceAnswer(generation=self._life.generation, resource_version=self._publisher.version)

    def _resumed(self, carried: Sent) -> Life:
        """Return the life that goes on after continue-as-new, or a new one."""
        if carried is None:
            return lives.born(self._declared.machine(), uid(), workflow.now())
        try:
            before = Carried.model_validate(carried)
        except ValidationError as error:
            raise InvalidManifestError([("", "a VirtualMachine is started with its manifest alone")]) from error
        self._conditions = before.conditions
        return before.life

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
            generation=life.generation,
            deletionTimestamp=timestamp(life.deleting) if life.deleting else "",
        )
        workflow.set_current_details(f"**{status['printableStatus']}** ({status['reason']}): {status['message']}")
