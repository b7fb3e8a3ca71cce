"""Placement: a zone's ledger of what its hypervisors hold and who claimed it.

Every function takes a ledger and returns the next one. Claims are keyed by the VM's UID, so claiming twice is claiming
once, and releasing what is not claimed changes nothing.
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

    A claim that was sent before its VM's worker died may arrive after the VM is gone: it must not be granted.
    """

    members: dict[str, Member] = Field(default_factory=dict)
    placed: dict[str, Placed] = Field(default_factory=dict)
    waiting: dict[str, Claim] = Field(default_factory=dict)
    gone: tuple[str, ...] = ()


class Placement(Value):
    """The answer to a claim: a hypervisor, or none and the sentence that says why with the numbers.

    waiting: the ledger remembers the claim, and its VM is woken when there may be room.
    """

    hypervisor: str = ""
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
        return ledger, Placement(hypervisor=held.hypervisor)
    found = offers(ledger)
    fitting = [name for name, offer in found.items() if _fits(claim.size, offer)]
    if not fitting:
        waiting = {**ledger.waiting, claim.uid: claim}
        return ledger.model_copy(update={"waiting": waiting}), Placement(
            message=_no_room(claim.size, found),
            waiting=True,
        )
    chosen = max(fitting, key=lambda name: found[name].memory)
    placed = {**ledger.placed, claim.uid: Placed(claim=claim, hypervisor=chosen)}
    return ledger.model_copy(update={"placed": placed, "waiting": _without(ledger.waiting, claim.uid)}), Placement(
        hypervisor=chosen,
    )


def depart(ledger: Ledger, uid: str) -> Ledger:
    """Give a VM's room back for good: no claim of it is granted from now on."""
    remembered = (*(each for each in ledger.gone if each != uid), uid)[-REMEMBERED_GONE:]
    return release(ledger, uid).model_copy(update={"gone": remembered})


def release(ledger: Ledger, uid: str) -> Ledger:
    """Give room back, and stop waiting for it."""
    return ledger.model_copy(
        update={"placed": _without(ledger.placed, uid), "waiting": _without(ledger.waiting, uid)},
    )


def join(ledger: Ledger, name: str, member: Member) -> Ledger:
    """Add a hypervisor or renew what is known of it; claims on it stay."""
    return ledger.model_copy(update={"members": {**ledger.members, name: member}})


def leave(ledger: Ledger, name: str) -> Ledger:
    """Remove a hypervisor; claims on it stay until their VMs release them."""
    return ledger.model_copy(update={"members": _without(ledger.members, name)})


def to_wake(ledger: Ledger) -> tuple[str, ...]:
    """Return the workflow ids of waiting VMs that could be placed now, were each alone."""
    found = offers(ledger).values()
    return tuple(claim.vm for claim in ledger.waiting.values() if any(_fits(claim.size, offer) for offer in found))


def _fits(size: Capacity, offer: Capacity) -> bool:
    return offer.cpus >= size.cpus and offer.memory >= size.memory


def _without(items: dict[str, _T], key: str) -> dict[str, _T]:
    return {name: item for name, item in items.items() if name != key}


def _no_room(size: Capacity, found: dict[str, Capacity]) -> str:
    if not found:
        return "no hypervisor of the zone is ready"
    wish = f"{size.cpus} CPU and {format_bytes(size.memory)}"
    told = "; ".join(f"{name} has {offer.cpus} CPU and {format_bytes(offer.memory)}" for name, offer in found.items())
    return f"0/{len(found)} hypervisors have {wish} free: {told}"
