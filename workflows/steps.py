"""The steps of a VM's life: each asks one thing of the world and returns what the life learns from the answer."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.errands import ClaimRequest, Errands, ImageRequest
    from activities.hypervisor import HypervisorActivities
    from domain.guest import Observation, absent
    from domain.life import Hold, Life, learned
    from domain.lifecycle import Step, fitting, grace, plan, room
    from domain.names import LONGEST_SUFFIX
    from domain.placement import Claim, Placement
    from domain.problem import Verdict
    from domain.status import Reason
    from manifests.contract import BuildOrder, FitOrder, LiveOrder, Release, StopOrder, Want
    from workflows import options
    from workflows.options import errand
    from workflows.trouble import timed

Learn = Callable[[Life], Life]
"""What a life learns from a step. It is applied to the life as it is by then: requests may have come meanwhile."""

LONG = {Step.DEFINE, Step.RUN, Step.STOP, Step.ORDER, Step.FIT, Step.REMOVE}
"""Steps that may take their time at a hypervisor: what the VM is doing is published before each, and each is dropped
when something else is wanted. The others are short and run to their end: a claim that was sent is known to be held."""


async def survey(life: Life) -> Learn:
    """Learn which zones may be asked for room: the one the VM names, else all; and the delays in force from now on."""
    found = await workflow.execute_local_activity_method(Errands.survey, **errand("look for zones"))
    zones = (life.spec.zone,) if life.spec.zone else found.zones
    if not zones:
        return _held(Hold(reason=Reason.UNSCHEDULABLE, message="no zone is declared; apply a Zone and a Hypervisor"))
    return lambda now: now.but(asked=zones, backoff=found.backoff)


async def place(life: Life) -> Learn:
    """Claim room in the first zone that has it; every zone that has none remembers the VM and wakes it.

    A zone that is not declared cannot remember, so it is asked again. A VM that may live anywhere asks zones that were
    declared since as well.
    """
    claim = _claim(life)
    refusals: dict[str, Placement] = {}
    for zone in life.asked:
        placement = await _ensure_claimed(zone, claim)
        if placement.hypervisor:
            chosen, name = zone, placement.hypervisor
            await _give_back(refusals, Release(uid=life.uid))
            size = placement.size or claim.size
            return lambda now: now.but(zone=chosen, hypervisor=name, granted=size, hold=None)
        refusals[zone] = placement
    if not life.spec.zone and (new := set(await _zones()) - set(life.asked)):
        return lambda now: now.but(asked=tuple(sorted({*now.asked, *new})))
    message = "; ".join(f"{zone}: {refusal.message}" for zone, refusal in refusals.items())
    remembered = all(refusal.waiting for refusal in refusals.values())
    verdict = Verdict.WAIT if remembered else Verdict.RETRY
    return _held(Hold(reason=Reason.UNSCHEDULABLE, message=message, verdict=verdict))


async def reclaim(life: Life) -> Learn:
    """Claim other room at the same hypervisor. Where there is none, the VM goes on with what it has.

    The zone remembers a wish it cannot grant, and wakes the VM when there may be room.
    """
    claim = _claim(life)
    placement = await _ensure_claimed(life.zone, claim)
    if placement.hypervisor == life.hypervisor and placement.size == claim.size:
        return lambda now: now.but(granted=claim.size, hold=None)
    why = placement.message or f"{life.zone} holds its room at {placement.hypervisor}, not at {life.hypervisor}"
    return lambda now: now.but(cramped=why, hold=None)


async def import_image(life: Life) -> Learn:
    """Learn whether the image is at the hypervisor; if not, it is being imported and will wake the VM."""
    answer = await workflow.execute_local_activity_method(
        Errands.ensure_image,
        _image_request(life),
        **errand(f"look for the image at {life.hypervisor}"),
    )
    if answer.facts is not None:
        facts = answer.facts
        return lambda now: now.but(image=facts, lost=False, hold=None)
    verdict = Verdict.TERMINAL if answer.failed else Verdict.WAIT
    return _held(Hold(reason=answer.reason, message=answer.message, verdict=verdict))


async def define(life: Life) -> Learn:
    """Build the root disk, the seed and the domain."""
    return await _build(life, HypervisorActivities.ensure_defined, f"define the domain on {life.hypervisor}")


async def run(life: Life) -> Learn:
    """Build what is missing and power on."""
    return await _build(life, HypervisorActivities.ensure_running, f"build and power on at {life.hypervisor}")


async def observe(life: Life) -> Learn:
    """Look at the guest."""
    seen = await workflow.execute_activity_method(
        HypervisorActivities.observe,
        life.uid,
        **options.step(life.hypervisor, f"look at the guest on {life.hypervisor}"),
    )
    return _learned(seen)


async def stop(life: Life) -> Learn:
    """End the running incarnation."""
    patience = grace(life, workflow.now())
    seen = await workflow.execute_activity_method(
        HypervisorActivities.ensure_stopped,
        StopOrder(uid=life.uid, incarnation=life.observed.incarnation, grace=patience),
        **options.step(life.hypervisor, f"end the incarnation, with {patience:.0f} s of grace", patience),
    )
    return _learned(seen)


async def order(life: Life) -> Learn:
    """Carry out the live operation that waits longest."""
    first = life.orders[0]
    seen = await workflow.execute_activity_method(
        HypervisorActivities.ensure_ordered,
        LiveOrder(
            uid=life.uid,
            incarnation=first.incarnation,
            operation=first.operation,
            request=first.request,
        ),
        **options.step(life.hypervisor, f"{first.operation} the running guest"),
    )
    return lambda now: learned(
        now.but(orders=tuple(each for each in now.orders if each.request != first.request)), seen, workflow.now()
    )


async def fit(life: Life) -> Learn:
    """Fit the running incarnation to what is declared; what does not fit after that waits for a power-on."""
    tried = fitting(life)
    seen = await workflow.execute_activity_method(
        HypervisorActivities.ensure_fitted,
        FitOrder(plan=plan(life), incarnation=life.observed.incarnation),
        **options.step(life.hypervisor, "fit the running guest to what is declared"),
    )
    return lambda now: learned(now.but(fitted=tried), seen, workflow.now())


async def remove(life: Life) -> Learn:
    """Remove the domain and everything built for it."""
    await workflow.execute_activity_method(
        HypervisorActivities.ensure_removed,
        life.uid,
        **options.step(life.hypervisor, f"remove the domain and its disks from {life.hypervisor}"),
    )
    gone = {"touched": False, "stale": False, "adrift": False, "provisioned": False, "hold": None}
    return lambda now: now.but(observed=absent(now.uid), **gone)


async def release(life: Life) -> Learn:
    """Give room back, and tell the image that this VM needs it no longer.

    Also what nobody is known to hold: a claim may have been sent by a worker that died before it told. Every zone that
    may have got one learns that the VM is gone.
    """
    if life.hypervisor:
        await workflow.execute_local_activity_method(
            Errands.forget_image,
            _image_request(life),
            **errand("take the wish for the image back"),
        )
    zones = life.asked or ([life.spec.zone] if life.spec.zone else await _zones())
    await _give_back(zones, Release(uid=life.uid, gone=True))
    return lambda now: now.but(asked=(), zone="", hypervisor="", granted=None, image=None, released=True)


STEPS: dict[Step, Callable[[Life], Coroutine[Any, Any, Learn]]] = {
    Step.SURVEY: survey,
    Step.PLACE: place,
    Step.IMPORT: import_image,
    Step.DEFINE: define,
    Step.RUN: run,
    Step.OBSERVE: observe,
    Step.STOP: stop,
    Step.ORDER: order,
    Step.RECLAIM: reclaim,
    Step.FIT: fit,
    Step.REMOVE: remove,
    Step.RELEASE: release,
}


async def _build(
    life: Life,
    activity: Callable[[HypervisorActivities, BuildOrder], Observation],
    summary: str,
) -> Learn:
    try:
        seen = await workflow.execute_activity_method(
            activity,
            BuildOrder(plan=plan(life), fresh=not life.provisioned, start=life.start),
            **options.step(life.hypervisor, summary),
        )
    except ActivityError as error:
        return otherwise(error, life)
    return _learned(seen)


def otherwise(error: ActivityError, life: Life) -> Learn:
    """Return what a build that failed makes of a life that was never built; raise the error where that is no help."""
    reason = error.cause.type if isinstance(error.cause, ApplicationError) else None
    if reason == "ImageMissing" and not life.provisioned:
        return lambda now: now.but(lost=True)
    if reason == "DomainNameTaken" and not life.provisioned and life.suffix < LONGEST_SUFFIX:
        return lambda now: now.but(suffix=life.suffix + 1)
    raise error


def _claim(life: Life) -> Claim:
    return Claim(uid=life.uid, vm=workflow.info().workflow_id, size=room(life))


async def _ensure_claimed(zone: str, claim: Claim) -> Placement:
    return await workflow.execute_local_activity_method(
        Errands.ensure_claimed,
        ClaimRequest(zone=zone, claim=claim),
        **errand(f"claim room in {zone}"),
    )


async def _give_back(zones: Iterable[str], release: Release) -> None:
    for zone in zones:
        await workflow.execute_local_activity_method(
            Errands.ensure_released,
            args=[zone, release],
            **errand(f"give room back in {zone}"),
        )


async def _zones() -> list[str]:
    return await workflow.execute_local_activity_method(Errands.zones, **errand("name the zones"))


def _image_request(life: Life) -> ImageRequest:
    want = Want(hypervisor=life.hypervisor, vm=workflow.info().workflow_id)
    return ImageRequest(namespace=life.spec.namespace, source=life.spec.source, want=want, lost=life.lost)


def _learned(seen: Observation) -> Learn:
    return lambda life: learned(life, seen, workflow.now())


def _held(hold: Hold) -> Learn:
    return lambda life: life.but(hold=timed(hold, life.hold, workflow.now()))
