"""The life of a disk image: imported once per hypervisor however many VMs want it, and gone when it failed unwanted."""

import asyncio
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.hypervisor import HypervisorActivities
    from domain.life import Hold, Wake
    from domain.model import Value
    from domain.problem import Verdict
    from manifests.base import InvalidManifestError
    from manifests.contract import SearchAttribute, Signal, Want, WorkflowType
    from manifests.image import Image as ImageManifest
    from manifests.status import Copy, CopyState, image_status, refused_status
    from workflows import options
    from workflows.objects import Publisher, accepted, uid
    from workflows.trouble import hold_for


class ImageState(Value):
    """What an image takes along when it continues as new; copies and holds are kept by hypervisor."""

    copies: dict[str, Copy]
    wants: tuple[Want, ...]
    holds: dict[str, Hold]


@workflow.defn(name=WorkflowType.IMAGE)
class Image:
    """One image. Input: its manifest; the state is for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: dict[str, Any], state: ImageState | None = None) -> None:
        self._manifest = manifest
        self._copies: dict[str, Copy] = dict(state.copies) if state else {}
        self._wants: list[Want] = list(state.wants) if state else []
        self._holds: dict[str, Hold] = dict(state.holds) if state else {}
        self._imports: dict[str, asyncio.Task[None]] = {}
        self._deleting = False
        self._wanted_once = bool(state)
        self._stirred = True
        self._publisher = Publisher(manifest)
        self._problem: InvalidManifestError | None = None
        try:
            self._image = accepted(ImageManifest, manifest)
        except InvalidManifestError as problem:
            self._problem = problem

    @workflow.run
    async def run(self, manifest: dict[str, Any], state: ImageState | None = None) -> str:
        """Serve wants until deleted, or until nothing was got and nobody wants it any more."""
        del manifest, state
        if self._problem:
            status = refused_status(self._problem, workflow.now())
            self._publisher.publish(status, {SearchAttribute.KIND: "Image"}, uid=uid())
            await workflow.wait_condition(lambda: self._deleting)
            return "deleted; its manifest was never accepted"
        while not self._over():
            if workflow.info().is_continue_as_new_suggested() and not self._imports:
                workflow.continue_as_new(args=[self._manifest, self._carried()])
            self._start_and_stop_imports()
            self._publish()
            await self._pause()
        await self._clean_up()
        return "gone; no copy is left"

    @workflow.signal(name=Signal.WANT)
    def want(self, want: Want) -> None:
        """A VM wants the image at a hypervisor. It is woken when the image is there or cannot be had."""
        if want not in self._wants:
            self._wants.append(want)
        self._wanted_once = True
        self._stirred = True

    @workflow.signal(name=Signal.FORGET)
    def forget(self, want: Want) -> None:
        """A VM wants it no longer."""
        if want in self._wants:
            self._wants.remove(want)
        self._stirred = True

    @workflow.signal(name=Signal.WAKE)
    def wake(self) -> None:
        """Try failed imports again now."""
        self._holds = {name: hold for name, hold in self._holds.items() if hold.verdict is Verdict.TERMINAL}
        self._stirred = True

    @workflow.signal(name=Signal.DELETE)
    def delete(self) -> None:
        """Delete the image and its copies. Guests cloned from it keep what they have; VMs that wait import it anew."""
        self._deleting = True
        self._stirred = True

    def _over(self) -> bool:
        if self._deleting:
            return True
        kept = any(copy.state is CopyState.READY for copy in self._copies.values())
        return self._wanted_once and not self._wants and not kept

    def _start_and_stop_imports(self) -> None:
        """One import per hypervisor that is wanted; none where nobody waits any more."""
        wanted = {want.hypervisor for want in self._wants}
        for hypervisor in sorted(wanted - set(self._imports)):
            hold = self._holds.get(hypervisor)
            if hold is None or (hold.until is not None and hold.until <= workflow.now()):
                self._copies.setdefault(hypervisor, Copy())
                self._imports[hypervisor] = asyncio.create_task(self._import(hypervisor))
        for hypervisor in sorted(set(self._imports) - wanted):
            self._imports[hypervisor].cancel()

    async def _import(self, hypervisor: str) -> None:
        try:
            facts = await workflow.execute_activity_method(
                HypervisorActivities.import_image,
                args=[self._image.key, self._image.source],
                **options.long_import(hypervisor, f"import {self._image.source.url}"),
            )
            self._copies[hypervisor] = Copy(state=CopyState.READY, facts=facts)
            self._holds.pop(hypervisor, None)
            await self._tell(hypervisor, done=True)
        except ActivityError as error:
            if any(want.hypervisor == hypervisor for want in self._wants):
                hold = hold_for(error, self._holds.get(hypervisor), workflow.now())
                self._holds[hypervisor] = hold
                message = f"{hold.field}: {hold.message}" if hold.field else hold.message
                self._copies[hypervisor] = Copy(state=CopyState.FAILED, reason=hold.reason, message=message)
                await self._tell(hypervisor, done=False)
        finally:
            del self._imports[hypervisor]
            self._stirred = True

    async def _tell(self, hypervisor: str, *, done: bool) -> None:
        """Wake the VMs that wait here, after publishing what they will read."""
        self._publish()
        waiting = [want for want in self._wants if want.hypervisor == hypervisor]
        for want in waiting:
            try:
                await workflow.get_external_workflow_handle(want.vm).signal(Signal.WAKE, Wake.IMAGE)
            except Exception as gone:  # noqa: BLE001 - the SDK has no type for "no such workflow"
                workflow.logger.info("a waiting VM is gone", extra={"vm": want.vm, "error": str(gone)})
                done = True
            if done and want in self._wants:
                self._wants.remove(want)

    async def _pause(self) -> None:
        """Wait for news, or until the earliest failed import is due again."""
        due = self._next_retry()
        self._stirred = False
        try:
            await workflow.wait_condition(lambda: self._stirred, timeout=due - workflow.now() if due else None)
        except TimeoutError:
            return

    def _next_retry(self) -> datetime | None:
        wanted = {want.hypervisor for want in self._wants} - set(self._imports)
        return min((hold.until for name, hold in self._holds.items() if name in wanted and hold.until), default=None)

    async def _clean_up(self) -> None:
        """End imports, then remove what they and earlier ones left at every hypervisor."""
        for task in list(self._imports.values()):
            task.cancel()
        await workflow.wait_condition(lambda: not self._imports)
        for hypervisor in sorted(self._copies):
            hold: Hold | None = None
            while True:
                try:
                    await workflow.execute_activity_method(
                        HypervisorActivities.remove_image,
                        self._image.key,
                        **options.step(hypervisor, f"remove the image from {hypervisor}"),
                    )
                    break
                except ActivityError as error:
                    hold = hold_for(error, hold, workflow.now())
                    await workflow.sleep((hold.until or workflow.now() + options.LAST_RETRY) - workflow.now())

    def _carried(self) -> ImageState:
        return ImageState(copies=self._copies, wants=tuple(self._wants), holds=self._holds)

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
