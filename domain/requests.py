"""What people ask of a VM, and why it may be refused. Asking only records; the loop acts on what is recorded."""

from datetime import datetime, timedelta

from domain.life import Asked, Life, Order, whole_grace
from domain.lifecycle import Goal, goal
from domain.machine import MachineSpec
from domain.model import Value
from domain.run_strategy import LIVE, TRANSITIONS, Operation, refusal

REMEMBERED_REQUESTS = 100
"""How many request ids a VM remembers, so that a repeated request is recognised over continue-as-new."""

HEARD = timedelta(minutes=1)
"""How long after its grace a guest that was asked to end, and then was not to, may still do so on that account."""

WAITING_ORDERS = 10
"""How many live operations may wait for their turn."""


class Request(Value):
    """Who asks, and how.

    id: the same id twice is one request; force: without asking the guest; grace: seconds it gets to shut itself down,
    None for what is declared.
    """

    id: str
    by: str = ""
    force: bool = False
    grace: float | None = None

    @property
    def patience(self) -> float | None:
        """The seconds of grace that are asked for; a request that is forced asks for none."""
        return 0.0 if self.force else self.grace


BY_NOBODY = Request(id="")
"""A request that says neither who asks nor how."""


def objection(life: Life, operation: Operation, *, force: bool = False) -> str:
    """Return why an operation is refused now, or an empty string when it is possible.

    A forced stop of a guest that ignores an earlier stop is always possible.
    """
    if life.deleting:
        return f"{operation} is too late: the VM is being deleted"
    if operation in LIVE:
        return _objection_to_live(life, operation)
    if operation is Operation.STOP and force and life.observed.alive:
        return ""
    return refusal(life.strategy, operation)


def asked_for(life: Life, operation: Operation, request: Request, now: datetime) -> Life:
    """Record an operation; one whose request id is known changes nothing.

    What the table of run strategies does not list keeps the strategy: a forced stop of a guest that ignores an earlier
    one, and the live operations.
    """
    if request.id in life.requests:
        return life
    noted = _going_on(life).but(
        requests=(*life.requests, request.id)[-REMEMBERED_REQUESTS:],
        last=Asked(operation=operation.value, by=request.by, at=now),
    )
    if operation in LIVE:
        order = Order(operation=operation, incarnation=life.observed.incarnation, request=request.id)
        return noted.but(orders=(*life.orders, order))
    switched = noted.but(
        strategy=TRANSITIONS.get((life.strategy, operation), life.strategy),
        wanted=operation is not Operation.STOP,
        start=max(life.start, life.observed.start) + (0 if operation is Operation.STOP else 1),
        ending="",
        anew=0,
        grace=None,
        ends=0,
        again=None,
    )
    match operation:
        case Operation.START:
            return _spared(switched, life, now)
        case Operation.RESTART if not life.observed.alive:
            return switched.but(orders=(), anew=switched.start)
        case Operation.RESTART:
            return switched.but(orders=(), ending=life.observed.incarnation, grace=request.patience)
        case _:
            return switched.but(orders=(), grace=request.patience)


def declared(life: Life, spec: MachineSpec, request: Request, now: datetime) -> Life:
    """Record an edited declaration; one that changes nothing begins no new generation."""
    if request.id in life.requests:
        return life
    noted = life.but(requests=(*life.requests, request.id)[-REMEMBERED_REQUESTS:])
    if spec == life.spec:
        return noted
    last = Asked(operation="edit", by=request.by, at=now)
    return _going_on(noted).but(spec=spec, generation=life.generation + 1, cramped="", last=last)


def deleted(life: Life, now: datetime, request: Request = BY_NOBODY) -> Life:
    """Record that the VM is to go. Nothing takes that back; asking again can only shorten the guest's grace."""
    if life.deleting:
        return life if request.patience is None else life.but(grace=min(whole_grace(life), request.patience))
    graces = [each for each in (life.grace, request.patience) if each is not None]
    last = Asked(operation="delete", by=request.by, at=now)
    return _going_on(life).but(deleting=now, ending="", orders=(), grace=min(graces, default=None), last=last)


def _going_on(life: Life) -> Life:
    """Return a life that nothing holds up. What a failed step left behind is looked at: its turn may not come again."""
    return life.but(hold=None, stale=life.stale or (life.hold is not None and life.touched))


def _objection_to_live(life: Life, operation: Operation) -> str:
    if not life.observed.alive:
        return f"{operation} needs a running guest, and the guest does not run"
    if goal(life) is not Goal.RUN or life.ending:
        return f"{operation} is too late: the guest is being stopped"
    if len(life.orders) >= WAITING_ORDERS:
        return f"{operation} is too early: {WAITING_ORDERS} operations wait for their turn"
    if operation is Operation.UNPAUSE:
        return "" if _will_be_paused(life) else "unpause needs a paused guest, and the guest is not paused"
    if _will_be_paused(life):
        return f"{operation} needs a guest that runs, and the guest is paused; unpause it first"
    return ""


def _will_be_paused(life: Life) -> bool:
    """Return whether the guest is paused once the waiting orders are carried out."""
    switches = [each.operation for each in life.orders if each.operation in {Operation.PAUSE, Operation.UNPAUSE}]
    return switches[-1] is Operation.PAUSE if switches else life.observed.paused


def _spared(started: Life, before: Life, now: datetime) -> Life:
    """Return a life whose guest a start takes back from a stop or a restart. It may have heard of that already.

    One that was taken back before stays so: a stop in between that nobody got round to makes it forget nothing.
    """
    if before.asked_to_end is None:
        return started
    until = now + timedelta(seconds=whole_grace(before)) + HEARD
    if before.spared_until is not None:
        until = max(until, before.spared_until)
    return started.but(spared=before.observed.incarnation, spared_until=until, asked_to_end=None)
