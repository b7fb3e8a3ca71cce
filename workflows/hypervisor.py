"""The life of a hypervisor: it keeps one watch alive and tells its zone what may be claimed."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.hypervisor import HypervisorActivities
    from activities.watch import Watch
    from domain.hypervisor import HypervisorFacts, HypervisorSpec, claimable
    from domain.life import Hold
    from manifests.base import InvalidManifestError
    from manifests.contract import Join, SearchAttribute, Signal, WorkflowType, workflow_id
    from manifests.fleet import Hypervisor as HypervisorManifest
    from manifests.status import hypervisor_status, refused_status
    from workflows import options
    from workflows.objects import Publisher, accepted, uid
    from workflows.trouble import hold_for


@workflow.defn(name=WorkflowType.HYPERVISOR)
class Hypervisor:
    """One hypervisor. Input: its manifest; facts are for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: dict[str, Any], facts: HypervisorFacts | None = None) -> None:
        self._manifest = manifest
        self._facts = facts
        self._hold: Hold | None = None
        self._deleting = False
        self._watch: workflow.ActivityHandle[None] | None = None
        self._publisher = Publisher(manifest)
        self._problem: InvalidManifestError | None = None
        try:
            self._spec: HypervisorSpec = accepted(HypervisorManifest, manifest).domain()
        except InvalidManifestError as problem:
            self._problem = problem

    @workflow.run
    async def run(self, manifest: dict[str, Any], facts: HypervisorFacts | None = None) -> str:
        """Watch until deleted. Each round prepares, joins the zone and watches; trouble ends a round, not the life."""
        del manifest, facts
        if self._problem:
            status = refused_status(self._problem, workflow.now())
            self._publisher.publish(status, {SearchAttribute.KIND: "Hypervisor"}, uid=uid())
            await workflow.wait_condition(lambda: self._deleting)
            return "deleted; its manifest was never accepted"
        self._publish()
        while not self._deleting:
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(args=[self._manifest, self._facts])
            await self._round()
        await self._tell_zone(Signal.LEAVE, self._spec.name)
        return "deleted; its VMs stay as they are"

    @workflow.signal(name=Signal.DELETE)
    def delete(self) -> None:
        """Stop watching and leave the zone. Guests are not touched."""
        self._deleting = True
        if self._watch:
            self._watch.cancel()

    async def _round(self) -> None:
        name = self._spec.name
        try:
            self._facts = await workflow.execute_activity_method(
                HypervisorActivities.prepare,
                **options.step(name, f"prepare {name}"),
            )
            self._hold = None
            await self._tell_zone(Signal.JOIN, self._offer(ready=True))
            self._publish()
            if not self._deleting:
                self._watch = workflow.start_activity_method(Watch.watch, **options.endless(name, f"watch {name}"))
                await self._watch
        except ActivityError as error:
            if self._deleting:
                return
            await self._trouble(error)

    async def _trouble(self, error: ActivityError) -> None:
        """Show what is wrong, stop new placements here, and wait longer each time."""
        self._hold = hold_for(error, self._hold, workflow.now())
        if self._facts:
            await self._tell_zone(Signal.JOIN, self._offer(ready=False))
        self._publish()
        until = self._hold.until or workflow.now() + timedelta(hours=1)
        try:
            await workflow.wait_condition(lambda: self._deleting, timeout=until - workflow.now())
        except TimeoutError:
            return

    def _offer(self, *, ready: bool) -> Join:
        if self._facts is None:
            return Join(name=self._spec.name, cpus=0, memory=0, ready=False)
        capacity = claimable(self._spec, self._facts)
        return Join(name=self._spec.name, cpus=capacity.cpus, memory=capacity.memory, ready=ready)

    async def _tell_zone(self, signal: Signal, argument: object) -> None:
        try:
            await workflow.get_external_workflow_handle(workflow_id("Zone", self._spec.zone)).signal(signal, argument)
        except Exception as missing:  # noqa: BLE001 - the SDK has no type for "no such workflow"
            workflow.logger.warning("the zone is not declared", extra={"zone": self._spec.zone, "error": str(missing)})

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
