"""The life of a zone: a ledger of what its hypervisors hold, kept by one workflow, so that no claim is made twice."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.rounds import Opening, Rounds
    from domain import placement
    from domain.hypervisor import Capacity
    from domain.life import Wake
    from domain.placement import Claim, Ledger, Member, Placement
    from manifests.base import InvalidManifestError
    from manifests.contract import Join, Query, Release, SearchAttribute, Signal, Update, WorkflowType
    from manifests.fleet import Zone as ZoneManifest
    from manifests.status import zone_status
    from workflows import options
    from workflows.objects import Publisher, Sent, accepted, lived, refused, uid


@workflow.defn(name=WorkflowType.ZONE)
class Zone:
    """One zone. Input: its manifest; the ledger is for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: Sent = None, ledger: Ledger | None = None) -> None:
        self._manifest = manifest
        self._ledger = ledger or Ledger()
        self._deleting = False
        self._stirred = True
        self._opened = bool(ledger and ledger.members)
        self._opening: asyncio.Task[None] | None = None
        self._publisher = Publisher(manifest)
        self._problem: InvalidManifestError | None = None
        try:
            self._name = accepted(ZoneManifest, manifest).metadata.name
        except InvalidManifestError as problem:
            self._name, self._problem = "", problem

    @workflow.run
    async def run(self, manifest: Sent = None, ledger: Ledger | None = None) -> str:
        """Keep the ledger until the zone is deleted and empty."""
        del manifest, ledger
        return await lived(self._live(), self.delete)

    async def _live(self) -> str:
        if self._problem:
            return await refused(self._publisher, "Zone", self._problem, lambda: self._deleting)
        while not (self._deleting and not self._ledger.members and not self._ledger.placed):
            if workflow.info().is_continue_as_new_suggested() and not self._busy():
                self._publisher.continue_as_new(self._manifest, self._ledger)
            self._publish()
            await workflow.wait_condition(lambda: self._stirred)
            self._stirred = False
            if self._ledger.members and not self._opened:
                self._opened = True
                self._opening = asyncio.create_task(self._open(self._waiting()))
            await self._wake_the_waiting()
        await self._wake_the_waiting()
        return "deleted; no hypervisor and no VM is left in it"

    @workflow.update(name=Update.CLAIM)
    def claim(self, claim: Claim) -> Placement:
        """Claim room for a VM; claiming again gives the same answer."""
        if self._deleting or self._problem:
            return placement.held_by(self._ledger, claim.uid, str(self._problem or "the zone is being deleted"))
        before = self._ledger
        self._ledger, answer = placement.place(self._ledger, claim)
        self._stirred = self._stirred or self._ledger is not before
        return answer

    @workflow.query(name=Query.CLAIMS)
    def claims(self, hypervisor: str) -> list[Claim]:
        """Return the claims that hold room on a hypervisor, and those that wait and hold none anywhere."""
        return placement.claims_on(self._ledger, hypervisor)

    @workflow.signal(name=Signal.RELEASE)
    def release(self, release: Release) -> None:
        """Give a VM's room back."""
        give_back = placement.depart if release.gone else placement.release
        self._change(give_back(self._ledger, release.uid))

    @workflow.signal(name=Signal.JOIN)
    def join(self, join: Join) -> None:
        """Learn what a hypervisor offers."""
        member = Member(capacity=Capacity(cpus=join.cpus, memory=join.memory), ready=join.ready)
        self._change(placement.join(self._ledger, join.name, member))

    @workflow.signal(name=Signal.LEAVE)
    def leave(self, name: str) -> None:
        """Learn that a hypervisor is gone."""
        self._change(placement.leave(self._ledger, name))

    @workflow.signal(name=Signal.DELETE)
    def delete(self, _reason: Any = None) -> None:  # noqa: ANN401 - whatever a client sends along, it is a delete
        """Delete the zone as soon as its hypervisors and VMs are gone; no new claims from now on."""
        self._deleting = True
        self._publisher.doom()
        self._stirred = True

    def _change(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stirred = True

    async def _open(self, known: tuple[str, ...]) -> None:
        """Tell VMs that found no room before this zone was there; those it knows are woken by the ledger."""
        opening = Opening(zone=self._name, known=known)
        try:
            await workflow.execute_activity_method(
                Rounds.wake_unplaced, opening, **options.a_round(f"tell VMs without room about {self._name}")
            )
        except ActivityError as error:
            workflow.logger.warning("VMs without room will ask by themselves", extra={"error": str(error)})
        self._opening = None
        self._stirred = True

    def _waiting(self) -> tuple[str, ...]:
        """Return the workflow ids of the VMs that wait."""
        return tuple(claim.vm for claim in self._ledger.waiting.values())

    def _busy(self) -> bool:
        """Return whether somebody waits for an answer, or VMs are being told."""
        return self._opening is not None or not workflow.all_handlers_finished()

    async def _wake_the_waiting(self) -> None:
        """Wake VMs that could be placed now, and all when the zone goes. Each claims again, and waits again if it must.

        A wake ends a VM's waiting, so that one which found room in another zone is woken once at most.
        """
        for vm in self._waiting() if self._deleting else placement.to_wake(self._ledger):
            self._ledger = placement.forget(self._ledger, vm)
            try:
                await workflow.get_external_workflow_handle(vm).signal(Signal.WAKE, Wake.ROOM)
            except Exception as gone:  # noqa: BLE001 - the SDK has no type for "no such workflow"
                workflow.logger.info("a waiting VM is gone", extra={"vm": vm, "error": str(gone)})

    def _publish(self) -> None:
        status = zone_status(self._ledger)
        self._publisher.publish(
            status,
            {
                SearchAttribute.KIND: "Zone",
                SearchAttribute.NAME: self._name,
                SearchAttribute.STATUS: "Terminating" if self._deleting else "Ready",
            },
            uid=uid(),
        )
        workflow.set_current_details(f"{status['placed']} VMs placed, {status['waiting']} waiting for room")
