"""Short errands of a VM to its neighbours: zones and images. They run inside the VM's workflow task.

An errand is a local activity: one history event instead of six. It is therefore short, and idempotent as any step.
"""

import asyncio
from weakref import WeakValueDictionary

from temporalio import activity
from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities import neighbours
from domain.backoff import Backoff
from domain.image import ImageFacts, ImageSource
from domain.model import Value
from domain.placement import Claim, Placement
from domain.problem import Problem
from domain.status import Reason
from manifests.contract import OBJECT_MEMO, Release, SearchAttribute, Signal, Update, Want, workflow_id
from manifests.image import image_for
from manifests.registry import id_of, kind_called
from manifests.status import CopyState, ImageStatus
from runtime.listing import living, open_workflows

CLAIMS_AT_ONCE = 3
"""How many claims a worker sends to one zone at a time; the others wait for their turn.

A server takes ten updates of one workflow at a time (`history.maxInFlightUpdates`). One more is not only refused: it
makes the server forget those it has taken, so that fifty VMs at once kept a zone without a decision for a minute.
"""


class ImageRequest(Value):
    """A VM's wish for an image; lost says the hypervisor no longer has what it was told to have."""

    namespace: str
    source: ImageSource
    want: Want
    lost: bool = False


class ImageAnswer(Value):
    """The image's facts when it is there; else why not (yet). failed: importing it has failed."""

    facts: ImageFacts | None = None
    reason: str = Reason.IMPORTING
    message: str = ""
    failed: bool = False


class ClaimRequest(Value):
    """A claim and the zone it is made in."""

    zone: str
    claim: Claim


class Survey(Value):
    """What a VM must know of where it is declared.

    zones:   those that are declared, in the order a VM without a wish tries them.
    backoff: the installation's delays before a guest that keeps ending is started again.
    """

    zones: tuple[str, ...]
    backoff: Backoff


class Errands:
    """Errands over one Temporal client; `backoff` is a setting of the installation."""

    def __init__(self, client: Client, backoff: Backoff = Backoff()) -> None:  # noqa: B008 - a frozen value
        self._client = client
        self._backoff = backoff
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @activity.defn
    async def survey(self) -> Survey:
        """Tell what a VM must know before it is placed."""
        return Survey(zones=tuple(await self.zones()), backoff=self._backoff)

    @activity.defn
    async def zones(self) -> list[str]:
        """Name the zones that are declared, in the order a VM without a wish tries them."""
        ids = [each.id async for each in open_workflows(self._client, f"{SearchAttribute.KIND} = 'Zone'")]
        return sorted(each.removeprefix("Zone/") for each in ids if each.startswith("Zone/"))

    @activity.defn
    async def ensure_claimed(self, request: ClaimRequest) -> Placement:
        """Claim room in a zone."""
        zone = self._client.get_workflow_handle(workflow_id("Zone", request.zone))
        turn = self._turns.setdefault(request.zone, asyncio.Semaphore(CLAIMS_AT_ONCE))
        try:
            async with turn:
                placement: Placement = await zone.execute_update(Update.CLAIM, request.claim, result_type=Placement)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return Placement(message=f"zone {request.zone!r} is not declared")
            raise Problem.retry("ZoneUnreachable", str(error), field=request.zone) from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise Problem.retry("ZoneUnreachable", "the zone did not answer in time", field=request.zone) from error
        return placement

    @activity.defn
    async def ensure_released(self, zone: str, release: Release) -> None:
        """Give room back. A zone that is gone holds nothing."""
        await self._signal(workflow_id("Zone", zone), Signal.RELEASE, release)

    @activity.defn
    async def ensure_image(self, request: ImageRequest) -> ImageAnswer:
        """Return the image if the hypervisor has it; else see that it is being imported and that the VM is told."""
        image = image_for(request.namespace, request.source)
        status = await self._image_status(id_of(image))
        copy = status.copies.get(request.want.hypervisor)
        if copy is not None and copy.state is CopyState.READY and not request.lost:
            return ImageAnswer(facts=copy.facts)
        kind = kind_called("Image")
        await self._client.start_workflow(
            kind.workflow,
            image.document(),
            id=id_of(image),
            task_queue=kind.queue,
            memo={OBJECT_MEMO: image.document()},
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=Signal.WANT,
            start_signal_args=[request.want],
        )
        if copy is None or copy.state is not CopyState.FAILED:
            return ImageAnswer(message=f"importing {request.source.url}")
        return ImageAnswer(reason=copy.reason, message=copy.message, failed=True)

    @activity.defn
    async def forget_image(self, request: ImageRequest) -> None:
        """Take a wish for an image back."""
        await self._signal(id_of(image_for(request.namespace, request.source)), Signal.FORGET, request.want)

    async def _image_status(self, image: str) -> ImageStatus:
        description = await living(self._client, image)
        if description is None:
            return ImageStatus()
        document = await neighbours.published(self._client, description)
        return ImageStatus.model_validate(document.get("status", {}))

    async def _signal(self, target: str, signal: Signal, argument: object) -> None:
        try:
            await self._client.get_workflow_handle(target).signal(signal, argument)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
