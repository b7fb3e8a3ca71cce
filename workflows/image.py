"""The life of a disk image: imported once per hypervisor however many VMs want it, and gone when it failed unwanted."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from enum import Enum, auto
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.hypervisor import HypervisorActivities
    from domain.life import Hold, Wake
    from domain.model import Value
    from manifests.base import InvalidManifestError
    from manifests.contract import SearchAttribute, Signal, Want, WorkflowType
    from manifests.image import Image as ImageManifest
    from manifests.status import Copy, CopyState, image_status
    from workflows.objects import Publisher, Sent, accepted, lived, refused, uid
    from workflows.options import long_import, step
    from workflows.trouble import hold_for


class ImageState(Value):
    """What an image takes along when it continues as new; copies and holds are kept by hypervisor."""

    copies: dict[str, Copy]
    wants: tuple[Want, ...]
    holds: dict[str, Hold]
    deleting: bool = False


class _Job(Enum):
    """What may have to be done about an image at one hypervisor."""

    IMPORT = auto()
    REMOVE = auto()


@workflow.defn(name=WorkflowType.IMAGE)
class Image:
    """One image. Input: its manifest; the state is for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: Sent = None, state: ImageState | None = None) -> None:
        self._manifest = manifest
        self._copies: dict[str, Copy] = dict(state.copies) if state else {}
        self._wants: list[Want] = list(state.wants) if state else []
        self._holds: dict[str, Hold] = dict(state.holds) if state else {}
        self._late: list[Want] = []
        self._jobs: dict[str, tuple[_Job, asyncio.Task[None]]] = {}
        self._deleting = bool(state and state.deleting)
        self._wanted_once = bool(state)
        self._stirred = False
        self._publisher = Publisher(manifest)
        self._problem: InvalidManifestError | None = None
        try:
            self._image = accepted(ImageManifest, manifest)
        except InvalidManifestError as problem:
            self._problem = problem

    @workflow.run
    async def run(self, manifest: Sent = None, state: ImageState | None = None) -> str:
        """Serve wants until deleted, or until nothing was got and nobody wants it any more."""
        del manifest, state
        return await lived(self._live(), self.delete)

    async def _live(self) -> str:
        if self._problem:
            return await refused(self._publisher, "Image", self._problem, lambda: self._deleting)
        while not self._over():
            if workflow.info().is_continue_as_new_suggested() and not self._jobs:
                self._publisher.continue_as_new(self._manifest, self._carried())
            self._stirred = False
            self._start_and_stop_jobs()
            self._publish()
            await self._tell_the_late()
            await self._pause()
        if self._wants:
            self._deleting = False
            self._publisher.continue_as_new(self._manifest, self._carried())
        return "gone; no copy is left"

    @workflow.signal(name=Signal.WANT)
    def want(self, want: Want) -> None:
        """A VM wants the image at a hypervisor. It is woken when the image is there or cannot be had."""
        if want not in self._wants:
            self._wants.append(want)
            self._late.append(want)
        self._wanted_once = True
        self._stirred = True

    @workflow.signal(name=Signal.FORGET)
    def forget(self, want: Want) -> None:
        """A VM wants it no longer."""
        if want in self._wants:
            self._wants.remove(want)
        if not self._waiting(want.hypervisor):
            self._holds.pop(want.hypervisor, None)
        self._stirred = True

    @workflow.signal(name=Signal.WAKE)
    def wake(self, _about: Any = None) -> None:  # noqa: ANN401 - whatever a client sends along, it is a wake
        """Try again now what failed: the source, or what its hypervisor's operator allows, may have been mended."""
        self._holds = {}
        self._stirred = True

    @workflow.signal(name=Signal.DELETE)
    def delete(self, _reason: Any = None) -> None:  # noqa: ANN401 - whatever a client sends along, it is a delete
        """Delete the image and its copies, each when no guest's disk leans on it; VMs that wait import it anew."""
        self._deleting = True
        self._publisher.doom()
        self._holds = {}
        self._stirred = True

    def _over(self) -> bool:
        """Whether nothing is left here, and nothing is to come."""
        unwanted = self._deleting or (self._wanted_once and not self._wants)
        return unwanted and not self._copies and not self._jobs

    def _due(self, hypervisor: str) -> _Job | None:
        """Return what is to be done at a hypervisor: wanted, it is imported; unwanted, only a whole copy may stay."""
        if self._waiting(hypervisor) and not self._deleting:
            return _Job.IMPORT
        copy = self._copies.get(hypervisor)
        kept = copy is None or (copy.state is CopyState.READY and not self._deleting)
        return None if kept else _Job.REMOVE

    def _waiting(self, hypervisor: str) -> list[Want]:
        return [want for want in self._wants if want.hypervisor == hypervisor]

    def _places(self) -> list[str]:
        return sorted({*self._copies, *(want.hypervisor for want in self._wants)})

    def _start_and_stop_jobs(self) -> None:
        """One job per hypervisor at a time; one that is no longer due is cancelled, and its end awaited."""
        for hypervisor in self._places():
            due, hold = self._due(hypervisor), self._holds.get(hypervisor)
            if hypervisor in self._jobs:
                job, task = self._jobs[hypervisor]
                if job is not due and not task.cancelling():
                    task.cancel()
            elif due and (hold is None or (hold.until is not None and hold.until <= workflow.now())):
                self._jobs[hypervisor] = due, self._begin(due, hypervisor)

    def _begin(self, job: _Job, hypervisor: str) -> asyncio.Task[None]:
        if job is _Job.REMOVE:
            return asyncio.create_task(self._end_of(self._remove(hypervisor), hypervisor))
        copy = self._copies.get(hypervisor)
        if copy is None or copy.state is not CopyState.READY:
            self._copies[hypervisor] = Copy()
        return asyncio.create_task(self._end_of(self._import(hypervisor), hypervisor))

    async def _end_of(self, work: Coroutine[Any, Any, None], hypervisor: str) -> None:
        """Do a job; record why it failed, if it did. One that was cancelled leaves the rest to the next."""
        try:
            await work
        except ActivityError as error:
            if not is_cancelled_exception(error):
                hold = hold_for(error, self._holds.get(hypervisor), workflow.now())
                message = f"{hold.field}: {hold.message}" if hold.field else hold.message
                self._holds[hypervisor] = hold
                self._copies[hypervisor] = Copy(state=CopyState.FAILED, reason=hold.reason, message=message)
                await self._tell(self._waiting(hypervisor))
        finally:
            del self._jobs[hypervisor]
            self._stirred = True

    async def _import(self, hypervisor: str) -> None:
        facts = await workflow.execute_activity_method(
            HypervisorActivities.import_image,
            args=[self._image.key, self._image.source],
            **long_import(hypervisor, f"import {self._image.source.url}"),
        )
        self._copies[hypervisor] = Copy(state=CopyState.READY, facts=facts)
        self._holds.pop(hypervisor, None)
        served = self._waiting(hypervisor)
        await self._tell(served)
        self._wants = [want for want in self._wants if want not in served]

    async def _remove(self, hypervisor: str) -> None:
        await workflow.execute_activity_method(
            HypervisorActivities.remove_image,
            self._image.key,
            **step(hypervisor, f"remove the image from {hypervisor}"),
        )
        del self._copies[hypervisor]
        self._holds.pop(hypervisor, None)

    async def _tell(self, wants: list[Want]) -> None:
        """Wake VMs that wait, after publishing what they will read; one that is gone wants nothing."""
        self._publish()
        for want in wants:
            try:
                await workflow.get_external_workflow_handle(want.vm).signal(Signal.WAKE, Wake.IMAGE)
            except Exception as gone:  # noqa: BLE001 - the SDK has no type for "no such workflow"
                workflow.logger.info("a waiting VM is gone", extra={"vm": want.vm, "error": str(gone)})
                self.forget(want)

    async def _tell_the_late(self) -> None:
        """Wake VMs whose wish came when importing had failed already: they may have looked before it had."""
        late, self._late = self._late, []
        failed = {name for name, copy in self._copies.items() if copy.state is CopyState.FAILED}
        await self._tell([want for want in late if want.hypervisor in failed])

    async def _pause(self) -> None:
        """Wait for news, or until the earliest failed job is due again."""
        due = self._next_retry()
        try:
            await workflow.wait_condition(lambda: self._stirred, timeout=due - workflow.now() if due else None)
        except TimeoutError:
            return

    def _next_retry(self) -> datetime | None:
        idle = {name for name in self._places() if self._due(name)} - set(self._jobs)
        return min((hold.until for name, hold in self._holds.items() if name in idle and hold.until), default=None)

    def _carried(self) -> ImageState:
        return ImageState(
            copies=self._copies,
            wants=tuple(self._wants),
            holds=self._holds,
            deleting=self._deleting,
        )

    def _publish(self) -> None:
        status = image_status(self._copies, deleting=self._deleting)
        self._publisher.publish(
            status,
            {
                SearchAttribute.KIND: "Image",
                SearchAttribute.NAMESPACE: self._image.namespace,
                SearchAttribute.NAME: self._image.metadata.name,
                SearchAttribute.STATUS: status["printableStatus"],
            },
            uid=uid(),
        )
        workflow.set_current_details(f"**{status['printableStatus']}** {self._image.source.url}")
