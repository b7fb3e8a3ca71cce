"""One VM's life so far: what it was asked to be, what is known of it, what it waits for.

A `Life` is all a VM workflow remembers. Intent (what people asked) and facts (what the hypervisor said) are changed by
the functions below and by nothing else.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from domain.guest import Observation, Power, absent
from domain.image import ImageFacts
from domain.machine import MachineSpec
from domain.model import Value
from domain.problem import Verdict
from domain.run_strategy import TRANSITIONS, Operation, RunStrategy, wanted_after_exit, wanted_at_creation

REMEMBERED_REQUESTS = 100
"""How many request ids a VM remembers, so that a repeated request is recognised over continue-as-new."""

BOOT_PATIENCE = timedelta(minutes=10)
"""How long a guest may be silent (no agent, no address) before it counts as running all the same."""


class Hold(Value):
    """Why a VM is not getting on: the problem its step met, and when to try again (None: only a wake or a request)."""

    reason: str
    message: str
    field: str = ""
    verdict: Verdict = Verdict.RETRY
    until: datetime | None = None
    attempts: int = 1


class Life(Value):
    """A VM between two steps.

    strategy:    the current run strategy (`spec.run_strategy` is the one asked for at creation).
    wanted:      whether the guest is to run now, for the strategies that leave it to requests and exits.
    ending:      the incarnation a restart must end; empty when none.
    spared:      an incarnation that was to end and was wanted again before it did. It may have been told to shut down
                 already, so its end is vmflow's doing, not the guest's; empty when none.
    asked:       zones that may hold a claim of this VM, from before the first claim is sent.
    hypervisor:  where it is placed; empty before.
    image:       the cached image at that hypervisor, once known to be there.
    lost:        the hypervisor turned out not to have the image it was believed to have.
    touched:     the hypervisor may hold something of this VM, from before the first order is sent.
    provisioned: its root disk has been built; from then on a missing disk is lost data.
    observed:    the last word of the hypervisor; stale when a wake says it may have changed.
    released:    everything was given back; what is left of this life is its end.
    exits:       how many incarnations ended; started: when the current one was powered on.
    """

    spec: MachineSpec
    uid: str
    created: datetime
    strategy: RunStrategy
    wanted: bool
    forced: bool = False
    deleting: datetime | None = None
    ending: str = ""
    spared: str = ""
    asked: tuple[str, ...] = ()
    zone: str = ""
    hypervisor: str = ""
    image: ImageFacts | None = None
    lost: bool = False
    touched: bool = False
    provisioned: bool = False
    observed: Observation
    stale: bool = False
    exits: int = 0
    started: datetime | None = None
    hold: Hold | None = None
    released: bool = False
    requests: tuple[str, ...] = ()
    last_operation: str = ""

    def but(self, **changes: object) -> "Life":
        """Return this life with some fields changed."""
        return self.model_copy(update=changes)


class Wake(StrEnum):
    """What a wake is about. It is a hint: the VM looks before it believes."""

    GUEST = "guest"
    IMAGE = "image"
    ROOM = "room"


def born(spec: MachineSpec, uid: str, now: datetime) -> Life:
    """Return the life of a VM that was just declared."""
    return Life(
        spec=spec,
        uid=uid,
        created=now,
        strategy=spec.run_strategy,
        wanted=wanted_at_creation(spec.run_strategy),
        observed=absent(uid),
    )


def asked_for(life: Life, operation: Operation, request: str, *, force: bool = False) -> Life:
    """Record an operation; one whose request id is known changes nothing.

    What the table does not list keeps the strategy: a forced stop of a guest that ignores an earlier one.
    """
    if request in life.requests:
        return life
    return life.but(
        strategy=TRANSITIONS.get((life.strategy, operation), life.strategy),
        wanted=operation is not Operation.STOP,
        ending=life.observed.incarnation if operation is Operation.RESTART else "",
        spared=_spared(life) if operation is Operation.START else "",
        forced=force,
        hold=None,
        requests=(*life.requests, request)[-REMEMBERED_REQUESTS:],
        last_operation=operation.value,
    )


def deleted(life: Life, now: datetime) -> Life:
    """Record that the VM is to go; nothing takes that back."""
    return life if life.deleting else life.but(deleting=now, ending="", hold=None)


def woken(life: Life, wake: Wake) -> Life:
    """Record a hint: what was held is tried again.

    A hint about the guest makes the last observation stale; one about the image says that a lost one was looked for.
    """
    return life.but(
        hold=None,
        stale=life.stale or (wake is Wake.GUEST and life.touched),
        lost=life.lost and wake is not Wake.IMAGE,
    )


def learned(life: Life, seen: Observation, now: datetime) -> Life:
    """Record what the hypervisor said, and what the end of an incarnation means for the run strategy."""
    before = life.observed.incarnation
    ended = before not in {"", seen.incarnation}
    begun = seen.alive and seen.incarnation != before
    wanted = life.wanted
    if ended and not seen.alive and before not in {life.ending, life.spared} and life.wanted:
        wanted = wanted_after_exit(life.strategy, seen.cause)
    return life.but(
        observed=seen,
        stale=False,
        hold=None,
        wanted=wanted,
        ending="" if ended else life.ending,
        spared="" if ended else life.spared,
        forced=life.forced and not ended,
        exits=life.exits + (1 if ended else 0),
        started=now if begun else life.started,
        provisioned=life.provisioned or seen.power is not Power.ABSENT,
    )


def _spared(life: Life) -> str:
    """Return the incarnation a start takes back from a stop or a restart; empty when it was not to end."""
    to_end = not life.wanted or bool(life.ending) or bool(life.spared)
    return life.observed.incarnation if to_end else ""
