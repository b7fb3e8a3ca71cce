"""The life of a hypervisor: it keeps one watch alive, tells its zone what it offers and its VMs when it is lost."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.hypervisor import HypervisorActivities
    from activities.orphans import Orphans
    from activities.rounds import Rounds
    from activities.watch import Watch, WatchOrder
    from domain.hypervisor import HypervisorFacts, HypervisorSpec, Orphan, claimable
    from domain.life import Hold
    from domain.model import Value
    from domain.status import Reason
    from manifests.base import InvalidManifestError
    from manifests.contract import (
        DiscardAnswer,
        DiscardRequest,
        Join,
        Release,
        Report,
        SearchAttribute,
        Signal,
        Update,
        WorkflowType,
        workflow_id,
    )
    from manifests.fleet import Hypervisor as HypervisorManifest
    from manifests.status import hypervisor_status
    from workflows.objects import Publisher, Sent, accepted, lived, refused, uid
    from workflows.options import a_round, endless, reconnect_delay, step
    from workflows.trouble import hold_for, timed, worker_died

OUT_OF_REACH = {Reason.HYPERVISOR_UNREACHABLE, Reason.HYPERVISOR_NOT_SERVED}
"""Troubles in which nobody can say anything about the guests here. That is no evidence that they are off."""


class HypervisorState(Value):
    """What a hypervisor takes along when it continues as new.

    facts, hold: what it last reported, and what is wrong with it.
    lost:        its VMs were told that it is out of reach, and nobody has told them otherwise.
    orphans:     domains here that belong to no VM, as the last sweep found them.
    """

    facts: HypervisorFacts | None
    hold: Hold | None
    lost: bool = False
    orphans: tuple[Orphan, ...] = ()


@workflow.defn(name=WorkflowType.HYPERVISOR)
class Hypervisor:
    """One hypervisor. Input: its manifest; the state is for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: Sent = None, state: HypervisorState | None = None) -> None:
        before = state or HypervisorState(facts=None, hold=None)
        self._manifest = manifest
        self._facts = before.facts
        self._hold = before.hold
        self._lost = before.lost
        self._orphans = before.orphans
        self._discards: list[Orphan] = []
        self._deleting = False
        self._work: workflow.ActivityHandle[Any] | None = None
        self._publisher = Publisher(manifest)
        self._problem: InvalidManifestError | None = None
        try:
            self._spec: HypervisorSpec = accepted(HypervisorManifest, manifest).domain()
        except InvalidManifestError as problem:
            self._problem = problem

    @workflow.run
    async def run(self, manifest: Sent = None, state: HypervisorState | None = None) -> str:
        """Watch until deleted. Each round prepares, joins the zone and watches; trouble ends a round, not the life."""
        del manifest, state
        return await lived(self._live(), self.delete)

    @workflow.signal(name=Signal.DELETE)
    def delete(self, _reason: Any = None) -> None:  # noqa: ANN401 - whatever a client sends along, it is a delete
        """Stop watching and leave the zone. Guests are not touched."""
        self._deleting = True
        self._publisher.doom()
        if self._work:
            self._work.cancel()

    @workflow.signal(name=Signal.REPORT)
    def report(self, report: Report) -> None:
        """Learn what a sweep found. It has told every VM here what it needed to know."""
        self._lost = False
        self._orphans = report.orphans
        if self._problem is None:
            for each in report.orphans:
                workflow.logger.warning("a domain belongs to no VM", extra=each.model_dump(mode="json"))
            self._publish()

    @workflow.update(name=Update.DISCARD)
    def discard(self, request: DiscardRequest) -> DiscardAnswer:
        """Remove an orphan with its disks, and give its room back."""
        orphan = self._orphan(request.uid).model_copy(update={"trouble": ""})
        if orphan not in self._discards:
            workflow.logger.warning("an orphan is discarded", extra=request.model_dump())
            self._discards.append(orphan)
            self._know(orphan)
        return DiscardAnswer(owner=orphan.owner)

    @discard.validator
    def _may_discard(self, request: DiscardRequest) -> None:
        self._orphan(request.uid)

    def _orphan(self, uid: str) -> Orphan:
        """Return an orphan that was reported, or is being discarded; nothing else may be."""
        for each in (*self._discards, *self._orphans):
            if each.uid == uid:
                return each
        raise ApplicationError(f"no orphan here has the UID {uid}", type="NotAnOrphan", non_retryable=True)

    async def _live(self) -> str:
        if self._problem:
            return await refused(self._publisher, "Hypervisor", self._problem, lambda: self._deleting)
        self._publish()
        discarding = asyncio.create_task(self._discard_what_is_asked())
        while not self._deleting:
            if workflow.info().is_continue_as_new_suggested() and not self._discards:
                self._publisher.continue_as_new(self._manifest, self._carried())
            try:
                await self._round()
            except (ActivityError, asyncio.CancelledError) as error:  # the latter: work cancelled before it had begun
                if isinstance(error, ActivityError) and not worker_died(error):
                    await self._pause(hold_for(error, self._hold, workflow.now()))
        await workflow.wait_condition(lambda: not self._discards)
        discarding.cancel()
        await self._tell_zone(Signal.LEAVE, self._spec.name)
        return "deleted; its VMs stay as they are"

    async def _round(self) -> None:
        """Prepare, join, watch. Ends by an ActivityError when an activity fails or is cancelled."""
        name = self._spec.name
        preparing = workflow.start_activity_method(
            HypervisorActivities.prepare,
            **step(name, f"prepare {name}"),
        )
        self._work = preparing
        self._facts = await preparing
        if not await self._join(ready=True):
            hold = Hold(
                reason="ZoneNotDeclared",
                message=f"zone {self._spec.zone!r} is not declared; apply it",
                field="spec.zone",
            )
            await self._pause(timed(hold, self._hold, workflow.now()))
            return
        self._hold = None
        self._publish()
        if self._deleting:
            return
        order = WatchOrder(zone=self._spec.zone, lost=self._lost, orphans=self._orphans)
        watching = workflow.start_activity_method(Watch.watch, order, **endless(name, f"watch {name}"))
        self._work = watching
        workflow.logger.info(await watching)

    async def _pause(self, hold: Hold) -> None:
        """Show what is wrong, stop new placements here, and wait longer each time, but never long."""
        if self._deleting:
            return
        self._hold = hold
        await self._join(ready=False)
        self._publish()
        if hold.reason in OUT_OF_REACH and self._facts and not self._lost:
            await self._tell_vms_that_it_is_lost()
        try:
            await workflow.wait_condition(lambda: self._deleting, timeout=reconnect_delay(hold))
        except TimeoutError:
            return

    async def _tell_vms_that_it_is_lost(self) -> None:
        """Say once that nothing is known of the guests here. The first sweep after its return says otherwise."""
        name = self._spec.name
        telling = workflow.start_activity_method(Rounds.tell_lost, name, **a_round(f"tell the VMs on {name}"))
        self._work = telling
        try:
            await telling
            self._lost = True
        except ActivityError as error:
            workflow.logger.warning("the VMs are told after the next attempt", extra={"error": str(error)})

    async def _discard_what_is_asked(self) -> None:
        """Discard one orphan at a time; one that cannot be discarded stays reported, with the reason."""
        while True:
            await workflow.wait_condition(lambda: bool(self._discards))
            orphan = self._discards[0]
            try:
                await workflow.execute_activity_method(
                    Orphans.discard, orphan, **step(self._spec.name, f"discard what was built for {orphan.owner}")
                )
                await self._tell_zone(Signal.RELEASE, Release(uid=orphan.uid, gone=True))
                trouble = ""
            except ActivityError as error:
                hold = hold_for(error, None, workflow.now())
                trouble = "" if hold.reason == "NotAnOrphan" else f"{hold.reason}: {hold.message}"
            self._discards.remove(orphan)
            self._know(orphan.model_copy(update={"trouble": trouble}), still=bool(trouble))

    def _know(self, orphan: Orphan, *, still: bool = True) -> None:
        """Publish what is known of an orphan; it is no longer one unless it is so still."""
        others = tuple(each for each in self._orphans if each.uid != orphan.uid)
        self._orphans = (*others, orphan) if still else others
        self._publish()

    def _carried(self) -> HypervisorState:
        return HypervisorState(facts=self._facts, hold=self._hold, lost=self._lost, orphans=self._orphans)

    async def _join(self, *, ready: bool) -> bool:
        """Tell the zone what may be claimed here; nothing before the hypervisor has said what it is."""
        if self._facts is None:
            return False
        capacity = claimable(self._spec, self._facts)
        offer = Join(name=self._spec.name, cpus=capacity.cpus, memory=capacity.memory, ready=ready)
        return await self._tell_zone(Signal.JOIN, offer)

    async def _tell_zone(self, signal: Signal, argument: object) -> bool:
        """Return whether the zone was told: one that is not declared cannot be."""
        try:
            await workflow.get_external_workflow_handle(workflow_id("Zone", self._spec.zone)).signal(signal, argument)
        except Exception as missing:  # noqa: BLE001 - the SDK has no type for "no such workflow"
            workflow.logger.warning("the zone is not declared", extra={"zone": self._spec.zone, "error": str(missing)})
            return False
        return True

    def _publish(self) -> None:
        status = hypervisor_status(self._facts, self._hold, self._orphans)
        self._publisher.publish(
            status,
            {
                SearchAttribute.KIND: "Hypervisor",
                SearchAttribute.NAME: self._spec.name,
                SearchAttribute.STATUS: status["printableStatus"],
            },
            uid=uid(),
        )
        workflow.set_current_details(f"**{status['printableStatus']}**: {status['message']}")
