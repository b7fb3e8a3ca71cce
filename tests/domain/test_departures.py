"""A VM that is gone gets no room, however late its claim arrives."""

import pytest
from pydantic import ValidationError

from domain.hypervisor import Capacity
from domain.placement import REMEMBERED_GONE, Claim, Ledger, Member, depart, join, place, release

ROOM = join(Ledger(), "host", Member(capacity=Capacity(cpus=8, memory=2**30)))


def claim(uid: str, cpus: int = 1) -> Claim:
    return Claim(uid=uid, vm=f"VirtualServer/default/{uid}", size=Capacity(cpus=cpus, memory=1))


def test_a_late_claim_of_a_vm_that_is_gone_is_not_granted_and_does_not_wait() -> None:
    ledger, answer = place(depart(ROOM, "vm"), claim("vm"))
    assert (answer.hypervisor, answer.message) == ("", "the VM is gone")
    assert (ledger.placed, ledger.waiting) == ({}, {})


def test_departing_gives_room_back() -> None:
    ledger, _ = place(ROOM, claim("vm"))
    assert depart(ledger, "vm").placed == {}


def test_a_vm_that_only_released_its_room_may_claim_again() -> None:
    ledger, _ = place(ROOM, claim("vm"))
    _, answer = place(release(ledger, "vm"), claim("vm"))
    assert answer.hypervisor == "host"


def test_a_ledger_remembers_so_many_departures_and_each_once() -> None:
    ledger = ROOM
    for number in range(REMEMBERED_GONE + 5):
        ledger = depart(ledger, f"vm{number}")
    ledger = depart(ledger, "vm10")
    assert len(ledger.gone) == REMEMBERED_GONE
    assert ledger.gone[-1] == "vm10"
    assert "vm4" not in ledger.gone


@pytest.mark.parametrize("cpus", [0, -500])
def test_a_claim_for_less_than_nothing_is_no_claim(cpus: int) -> None:
    with pytest.raises(ValidationError, match="at least one CPU"):
        claim("vm", cpus)
