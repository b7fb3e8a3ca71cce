"""The life of a hypervisor: it keeps one watch alive and tells its zone what may be claimed."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.hypervisor import HypervisorActivities
    from activities.watch import Watch
    from domain.hypervisor import HypervisorFacts, HypervisorSpec, claimable
    from domain.life import Hold
    from domain.model import Value
    from manifests.base import InvalidManifestError
    from manifests.contract import Join, SearchAttribute, Signal, WorkflowType, workflow_id
    from manifests.fleet import Hypervisor as HypervisorManifest
    from manifests.status import hypervisor_status
    from workflows.objects import Publisher, Sent, accepted, refused, uid
    from workflows.options import endless, reconnect_delay, step
    from workflows.trouble import hold_for, timed


class HypervisorState(Value):
    """What a hypervisor takes along when it continues as new: what it last reported, and what is wrong with it."""

    facts: HypervisorFacts | None
    hold: Hold | None


@workflow.defn(name=WorkflowType.HYPERVISOR)
class Hypervisor:
    """One hypervisor. Input: its manifest; the state is for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: Sent = None, state: HypervisorState | None = None) -> None:
        self._manifest = manifest
        self._facts = state.facts if state else None
        self._hold = state.hold if state else None
        self._deleting = False
        self._work: workflow.ActivityHandle[HypervisorFacts] | workflow.ActivityHandle[None] | None = None
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
        if self._problem:
            return await refused(self._publisher, "Hypervisor", self._problem, lambda: self._deleting)
        self._publish()
        while not self._deleting:
            if workflow.info().is_continue_as_new_suggested():
                self._publisher.continue_as_new(self._manifest, HypervisorState(facts=self._facts, hold=self._hold))
            try:
                await self._round()
            except ActivityError as error:
                await self._pause(hold_for(error, self._hold, workflow.now()))
        await self._tell_zone(Signal.LEAVE, self._spec.name)
        return "deleted; its VMs stay as they are"

    @workflow.signal(name=Signal.DELETE)
    def delete(self, _reason: Any = None) -> None:  # noqa: ANN401 - whatever a client sends along, it is a delete
        """Stop watching and leave the zone. Guests are not touched."""
        self._deleting = True
        if self._work:
            self._work.cancel()

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
        watching = workflow.start_activity_method(Watch.watch, **endless(name, f"watch {name}"))
        self._work = watching
        await watching

    async def _pause(self, hold: Hold) -> None:
        """Show what is wrong, stop new placements here, and wait longer each time, but never long."""
        if self._deleting:
            return
        self._hold = hold
        await self._join(ready=False)
        self._publish()
        try:
            await workflow.wait_condition(lambda: self._deleting, timeout=reconnect_delay(hold))
        except TimeoutError:
            return

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
        status = hypervisor_status(self._facts, self._hold)
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
