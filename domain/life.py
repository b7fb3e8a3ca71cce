"""One VM's life so far: what it was asked to be, what is known of it, what it waits for.

A `Life` is all a VM workflow remembers. Facts (what the hypervisor said) are changed by the functions below; intent
(what people asked) by those of domain/requests.py; and by nothing else.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from domain.backoff import Backoff, delay
from domain.evidence import evidence, outdated
from domain.guest import Observation, Power, StopCause, absent
from domain.hypervisor import Capacity
from domain.image import ImageFacts
from domain.machine import MachineSpec
from domain.model import Value
from domain.names import SUFFIX
from domain.problem import Verdict
from domain.run_strategy import Operation, RunStrategy, wanted_after_exit, wanted_at_creation

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


class Order(Value):
    """A live operation that waits to be carried out on one incarnation; request: the id it was asked with."""

    operation: Operation
    incarnation: str
    request: str


class Asked(Value):
    """The last operation somebody asked for: which, who (as far as they said), and when."""

    operation: str
    by: str = ""
    at: datetime


class Life(Value):
    """A VM between two steps.

    generation:  counts the declarations of this VM; an edit that changes what is wanted begins the next.
    strategy:    the current run strategy (`spec.run_strategy` is the one asked for at creation).
    wanted:      whether the guest is to run now, for the strategies that leave it to requests and exits.
    ending:      the incarnation a restart must end; empty when none.
    spared:      an incarnation that was to end and was wanted again before it did. It may have been told to shut down
                 already, so until `spared_until` its end is vmflow's doing, not the guest's; empty when none.
    anew:        number of the power-on that a restart asked for while none was known to run: an incarnation of an
                 earlier one is to end; 0 when none.
    grace:       seconds the guest gets to shut itself down, as the last request said; None: as it is declared.
    asked_to_end: when the guest's grace began; attempts to stop it, and requests to, share it.
    orders:      live operations on the running incarnation, in the order they were asked for.
    start:       number of the power-on that is wanted next; one that happened is never ordered again.
    asked:       zones that may hold a claim of this VM, from before the first claim is sent.
    hypervisor:  where it is placed; empty before.
    claimed:     the room that its zone was last asked for, from before that claim is sent.
    granted:     the room it holds there.
    cramped:     why the zone cannot grant the room that is needed; empty again when there may be some.
    image:       the cached image at that hypervisor, once known to be there.
    lost:        the hypervisor turned out not to have the image it was believed to have.
    touched:     the hypervisor may hold something of this VM, from before the first order is sent.
    suffix:      characters of the domain's name that are hashed.
    provisioned: its root disk has been built; from then on a missing disk is lost data.
    observed:    the last word of the hypervisor; stale when a wake says it may have changed.
    adrift:      the hypervisor is known to be out of reach.
    fitted:      incarnation, declaration and room that a fitting was tried for: it is tried once for each.
    released:    everything was given back; what is left of this life is its end.
    exits:       how many incarnations ended; started: when the current one was powered on.
    ends:        ends in a row that nobody asked for; again: the guest is not started again before.
    """

    spec: MachineSpec
    generation: int = 1
    uid: str
    created: datetime
    strategy: RunStrategy
    wanted: bool
    grace: float | None = None
    asked_to_end: datetime | None = None
    deleting: datetime | None = None
    ending: str = ""
    spared: str = ""
    spared_until: datetime | None = None
    anew: int = 0
    orders: tuple[Order, ...] = ()
    start: int = 1
    backoff: Backoff = Backoff()
    asked: tuple[str, ...] = ()
    zone: str = ""
    hypervisor: str = ""
    claimed: Capacity | None = None
    granted: Capacity | None = None
    cramped: str = ""
    image: ImageFacts | None = None
    lost: bool = False
    touched: bool = False
    suffix: int = SUFFIX
    provisioned: bool = False
    observed: Observation
    stale: bool = False
    adrift: bool = False
    fitted: str = ""
    exits: int = 0
    started: datetime | None = None
    ends: int = 0
    again: datetime | None = None
    hold: Hold | None = None
    released: bool = False
    requests: tuple[str, ...] = ()
    last: Asked | None = None

    def but(self, **changes: object) -> "Life":
        """Return this life with some fields changed."""
        return self.model_copy(update=changes)


def whole_grace(life: Life) -> float:
    """Return the seconds a guest gets to shut itself down, from when it is asked to: as asked for, else as declared."""
    return life.spec.grace if life.grace is None else life.grace


class Wake(StrEnum):
    """What a wake is about. It is a hint: the VM looks before it believes."""

    GUEST = "guest"
    IMAGE = "image"
    LOST = "lost"
    """The hypervisor is out of reach: nothing is known of the guest until a wake about it says to look again."""
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


def woken(life: Life, wake: Wake) -> Life:
    """Record a hint: what was held is tried again.

    A hint about the guest makes the last observation stale; one about the image says that a lost one was looked for;
    one about room that a zone may grant what it could not.
    """
    if wake is Wake.LOST:
        return life.but(adrift=life.touched)
    return life.but(
        hold=None,
        stale=life.stale or (wake is Wake.GUEST and life.touched),
        lost=life.lost and wake is not Wake.IMAGE,
        cramped="" if wake is Wake.ROOM else life.cramped,
    )


def learned(life: Life, seen: Observation, now: datetime) -> Life:
    """Record what the hypervisor said, and what the end of an incarnation means for the run strategy.

    What is older than the last word changes nothing.
    """
    if outdated(life.observed, seen):
        return life.but(stale=False)
    before = life.observed.incarnation
    ended = before not in {"", seen.incarnation} or _came_and_went(life, seen)
    begun = seen.alive and seen.incarnation != before
    if not (ended or seen.alive) and seen.cause is StopCause.UNKNOWN and seen.power is life.observed.power:
        seen = seen.model_copy(update={"cause": life.observed.cause})  # a daemon started anew has forgotten it
    runs = seen.alive and not seen.cut_off
    early = runs and 0 < seen.start < life.anew
    after = life.but(
        observed=seen,
        ending=seen.incarnation if early else life.ending,
        anew=0 if runs else life.anew,
        stale=False,
        adrift=False,
        hold=None,
        orders=tuple(each for each in life.orders if each.incarnation == seen.incarnation),
        started=now if begun else life.started,
        provisioned=life.provisioned or seen.power is not Power.ABSENT,
    )
    return _exited(life, after, now) if ended else after


def _came_and_went(life: Life, seen: Observation) -> bool:
    """Return whether the wanted power-on happened and ended before anybody saw the guest run."""
    return not life.observed.alive and not seen.alive and seen.start >= life.start


def _exited(life: Life, after: Life, now: datetime) -> Life:
    """Return a life after an incarnation's end: the run strategy says whether another follows, the backoff when."""
    before, seen = life.observed, after.observed
    gone = after.but(
        ending="",
        spared="",
        grace=None,
        asked_to_end=None,
        spared_until=None,
        exits=life.exits + 1,
        start=max(life.start, seen.start) + 1,
    )
    spared = life.spared if life.spared_until is not None and now <= life.spared_until else ""
    if seen.cut_off:
        return gone.but(exits=life.exits)
    ordered = before.incarnation in {life.ending, spared} - {""} or not life.wanted or life.deleting
    if ordered or evidence(seen) is None:
        return gone
    healthy = before.alive and life.started is not None and (now - life.started).total_seconds() >= life.backoff.healthy
    ends = 1 if healthy else life.ends + 1
    wait = delay(life.backoff, ends, life.uid)
    return gone.but(
        wanted=wanted_after_exit(life.strategy, seen.cause),
        ends=ends,
        again=now + wait if wait else None,
    )
