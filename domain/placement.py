"""Placement: a zone's ledger of what its hypervisors hold and who claimed it.

Every function takes a ledger and returns the next one. Claims are keyed by the VM's UID, so claiming twice is claiming
once, and releasing what is not claimed changes nothing. A claim of another size changes the one that is held, where it
is held: room is never given up for room that may not come.
"""

from collections import Counter
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from domain.hypervisor import Capacity
from domain.model import Value
from domain.quantity import format_bytes

_T = TypeVar("_T")


def _positive(size: Capacity) -> Capacity:
    if size.cpus < 1 or size.memory < 1:
        raise ValueError("a claim is for at least one CPU and one byte")
    return size


REMEMBERED_GONE = 1000
"""How many VMs that are gone a ledger remembers; a claim is late by seconds, not by a thousand lives."""


class Claim(Value):
    """A VM's wish for room. vm is the id of its workflow, where a wake is sent when room appears."""

    uid: str
    vm: str
    size: Annotated[Capacity, AfterValidator(_positive)]


class Placed(Value):
    """A claim that holds room on a hypervisor."""

    claim: Claim
    hypervisor: str


class Member(Value):
    """A hypervisor of the zone. Only a ready one takes new claims; what it holds stays claimed meanwhile."""

    capacity: Capacity
    ready: bool = True


class Ledger(Value):
    """Members by name, placed claims and waiting claims by VM UID; gone: UIDs of VMs whose life is over.

    A VM that holds room and waits as well wants more than it holds. A claim that was sent before its VM's worker died
    may arrive after the VM is gone: it must not be granted.
    """

    members: dict[str, Member] = Field(default_factory=dict)
    placed: dict[str, Placed] = Field(default_factory=dict)
    waiting: dict[str, Claim] = Field(default_factory=dict)
    gone: tuple[str, ...] = ()


class Placement(Value):
    """The answer to a claim: where room is held and how much of it, or the sentence that says why not with the numbers.

    hypervisor, size: what the VM holds now; none when it holds nothing. It may be less, or more, than was claimed.
    message: why what was claimed is not held; empty when it is.
    waiting: the ledger remembers the claim, and its VM is woken when there may be room.
    """

    hypervisor: str = ""
    size: Capacity | None = None
    message: str = ""
    waiting: bool = False


def offers(ledger: Ledger) -> dict[str, Capacity]:
    """Return what each ready member still has free, by name; never less than nothing."""
    cpus, memory = Counter[str](), Counter[str]()
    for placed in ledger.placed.values():
        cpus[placed.hypervisor] += placed.claim.size.cpus
        memory[placed.hypervisor] += placed.claim.size.memory
    return {
        name: Capacity(
            cpus=max(0, member.capacity.cpus - cpus[name]),
            memory=max(0, member.capacity.memory - memory[name]),
        )
        for name, member in sorted(ledger.members.items())
        if member.ready
    }


def place(ledger: Ledger, claim: Claim) -> tuple[Ledger, Placement]:
    """Claim room: on the ready member with the most free memory, by name where equal; or wait for room."""
    if claim.uid in ledger.gone:
        return ledger, Placement(message="the VM is gone")
    held = ledger.placed.get(claim.uid)
    if held is not None:
        return _resize(ledger, held, claim)
    found = offers(ledger)
    fitting = [name for name, offer in found.items() if _fits(claim.size, offer)]
    if not fitting:
        return _wait(ledger, claim), Placement(message=_no_room(claim.size, found), waiting=True)
    return _hold(ledger, claim, max(fitting, key=lambda name: found[name].memory))


def held_by(ledger: Ledger, uid: str, message: str) -> Placement:
    """Return what a VM holds as the answer to a claim that is not considered; the message says why it is not."""
    held = ledger.placed.get(uid)
    if held is None:
        return Placement(message=message)
    return Placement(hypervisor=held.hypervisor, size=held.claim.size, message=message)


def claims_on(ledger: Ledger, hypervisor: str) -> list[Claim]:
    """Return the claims that hold room on a hypervisor, and those that wait and hold none anywhere."""
    placed = [each.claim for each in ledger.placed.values() if each.hypervisor == hypervisor]
    return placed + [claim for uid, claim in ledger.waiting.items() if uid not in ledger.placed]


def _resize(ledger: Ledger, held: Placed, claim: Claim) -> tuple[Ledger, Placement]:
    """Change what is held, on its hypervisor, if that has the room; else it stays, and the VM waits for more."""
    found = offers(ledger)
    if not _grows(held, claim.size, found):
        why = _no_more_room(held, claim.size, found)
        answer = Placement(hypervisor=held.hypervisor, size=held.claim.size, message=why, waiting=True)
        return _wait(ledger, claim), answer
    if claim == held.claim and claim.uid not in ledger.waiting:
        return ledger, Placement(hypervisor=held.hypervisor, size=claim.size)
    return _hold(ledger, claim, held.hypervisor)


def _grows(held: Placed, size: Capacity, found: dict[str, Capacity]) -> bool:
    """Return whether a claim may be changed to this size: what it has and what is free beside it are enough.

    What does not grow needs no room, and so nobody's leave: also on a member that is not ready, or has shrunk.
    """
    before, free = held.claim.size, found.get(held.hypervisor, Capacity(cpus=0, memory=0))
    return size.cpus <= before.cpus + free.cpus and size.memory <= before.memory + free.memory


def _hold(ledger: Ledger, claim: Claim, hypervisor: str) -> tuple[Ledger, Placement]:
    placed = {**ledger.placed, claim.uid: Placed(claim=claim, hypervisor=hypervisor)}
    after = ledger.model_copy(update={"placed": placed, "waiting": _without(ledger.waiting, claim.uid)})
    return after, Placement(hypervisor=hypervisor, size=claim.size)


def _wait(ledger: Ledger, claim: Claim) -> Ledger:
    return ledger.model_copy(update={"waiting": {**ledger.waiting, claim.uid: claim}})


def depart(ledger: Ledger, uid: str) -> Ledger:
    """Give a VM's room back for good: no claim of it is granted from now on."""
    remembered = (*(each for each in ledger.gone if each != uid), uid)[-REMEMBERED_GONE:]
    return release(ledger, uid).model_copy(update={"gone": remembered})


def release(ledger: Ledger, uid: str) -> Ledger:
    """Give room back, and stop waiting for it."""
    return ledger.model_copy(
        update={"placed": _without(ledger.placed, uid), "waiting": _without(ledger.waiting, uid)},
    )


def forget(ledger: Ledger, vm: str) -> Ledger:
    """Stop waiting on behalf of a VM, by its workflow's id; what it holds stays."""
    waiting = {uid: claim for uid, claim in ledger.waiting.items() if claim.vm != vm}
    return ledger.model_copy(update={"waiting": waiting})


def join(ledger: Ledger, name: str, member: Member) -> Ledger:
    """Add a hypervisor or renew what is known of it; claims on it stay."""
    return ledger.model_copy(update={"members": {**ledger.members, name: member}})


def leave(ledger: Ledger, name: str) -> Ledger:
    """Remove a hypervisor; claims on it stay until their VMs release them."""
    return ledger.model_copy(update={"members": _without(ledger.members, name)})


def to_wake(ledger: Ledger) -> tuple[str, ...]:
    """Return the workflow ids of waiting VMs that could get what they wait for now, were each alone."""
    found = offers(ledger)

    def could_get(claim: Claim) -> bool:
        held = ledger.placed.get(claim.uid)
        if held is not None:
            return _grows(held, claim.size, found)
        return any(_fits(claim.size, offer) for offer in found.values())

    return tuple(claim.vm for claim in ledger.waiting.values() if could_get(claim))


def _fits(size: Capacity, offer: Capacity) -> bool:
    return offer.cpus >= size.cpus and offer.memory >= size.memory


def _without(items: dict[str, _T], key: str) -> dict[str, _T]:
    return {name: item for name, item in items.items() if name != key}


def _no_room(size: Capacity, found: dict[str, Capacity]) -> str:
    if not found:
        return "no hypervisor of the zone is ready"
    told = "; ".join(f"{name} has {_told(offer)}" for name, offer in found.items())
    return f"0/{len(found)} hypervisors have {_told(size)} free: {told}"


def _no_more_room(held: Placed, size: Capacity, found: dict[str, Capacity]) -> str:
    free = found.get(held.hypervisor)
    beside = f"{_told(free)} free beside it" if free else "nothing to give: it is not ready"
    return f"{_told(size)} wanted, {_told(held.claim.size)} held: {held.hypervisor} has {beside}"


def _told(size: Capacity) -> str:
    return f"{size.cpus} CPU and {format_bytes(size.memory)}"
