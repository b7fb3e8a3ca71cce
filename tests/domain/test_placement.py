"""A zone's ledger: who holds room where, who waits, and that nothing is ever promised twice."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError

from domain.hypervisor import Capacity
from domain.placement import (
    Claim,
    Ledger,
    Member,
    Placement,
    claims_on,
    depart,
    forget,
    held_by,
    join,
    leave,
    offers,
    place,
    release,
    to_wake,
)

GIB = 2**30


def claim(uid: str, cpus: int = 1, gib: int = 1) -> Claim:
    return Claim(uid=uid, vm=f"VirtualServer/team/{uid}", size=Capacity(cpus=cpus, memory=gib * GIB))


def zone(**members: tuple[int, int]) -> Ledger:
    ledger = Ledger()
    for name, (cpus, gib) in members.items():
        ledger = join(ledger, name, Member(capacity=Capacity(cpus=cpus, memory=gib * GIB)))
    return ledger


def test_a_claim_holds_room() -> None:
    ledger, answer = place(zone(h1=(4, 8)), claim("a", cpus=1, gib=2))
    assert answer.hypervisor == "h1"
    assert offers(ledger) == {"h1": Capacity(cpus=3, memory=6 * GIB)}


def test_claiming_twice_is_claiming_once() -> None:
    once, _ = place(zone(h1=(4, 8)), claim("a"))
    twice, answer = place(once, claim("a"))
    assert twice is once
    assert answer.hypervisor == "h1"


def test_a_claim_goes_where_most_memory_is_free() -> None:
    assert place(zone(h1=(64, 8), h2=(4, 16)), claim("a"))[1].hypervisor == "h2"


def test_of_equals_the_first_by_name_is_taken() -> None:
    assert place(zone(h2=(4, 8), h1=(4, 8)), claim("a"))[1].hypervisor == "h1"


@pytest.mark.parametrize(("cpus", "gib"), [(5, 1), (1, 9)])
def test_either_cpus_or_memory_can_be_what_is_lacking(cpus: int, gib: int) -> None:
    assert place(zone(h1=(4, 8)), claim("a", cpus, gib))[1].hypervisor == ""


def test_a_refusal_tells_the_numbers() -> None:
    _, answer = place(zone(h1=(4, 8), h2=(2, 16)), claim("a", cpus=3, gib=10))
    assert answer.message == (
        "0/2 hypervisors have 3 CPU and 10 GiB free: h1 has 4 CPU and 8 GiB; h2 has 2 CPU and 16 GiB"
    )


@pytest.mark.parametrize(
    "ledger", [Ledger(), join(Ledger(), "h1", Member(capacity=Capacity(cpus=9, memory=9), ready=False))]
)
def test_a_zone_where_nobody_is_ready_says_so(ledger: Ledger) -> None:
    assert place(ledger, claim("a"))[1].message == "no hypervisor of the zone is ready"


def test_who_finds_no_room_waits_and_is_woken_when_there_is_some() -> None:
    full, _ = place(zone(h1=(1, 1)), claim("a"))
    full, _ = place(full, claim("b"))
    assert to_wake(full) == ()
    assert to_wake(release(full, "a")) == ("VirtualServer/team/b",)


def test_a_hypervisor_that_joins_wakes_those_who_fit() -> None:
    waiting = Ledger()
    for each in (claim("small"), claim("large", cpus=64)):
        waiting, _ = place(waiting, each)
    assert to_wake(join(waiting, "h1", Member(capacity=Capacity(cpus=2, memory=2 * GIB)))) == (claim("small").vm,)


def test_who_gets_room_waits_no_longer() -> None:
    waiting, _ = place(Ledger(), claim("a"))
    ledger, answer = place(join(waiting, "h1", zone(h1=(1, 1)).members["h1"]), claim("a"))
    assert answer.hypervisor == "h1"
    assert ledger.waiting == {}


def test_a_release_gives_room_back_and_ends_waiting() -> None:
    ledger, _ = place(zone(h1=(1, 1)), claim("a"))
    ledger, _ = place(ledger, claim("b"))
    for uid in ("a", "b"):
        ledger = release(ledger, uid)
    assert ledger == zone(h1=(1, 1))


def test_releasing_what_nobody_holds_changes_nothing() -> None:
    assert release(zone(h1=(1, 1)), "a") == zone(h1=(1, 1))


def test_a_hypervisor_that_is_not_ready_keeps_its_claims_and_takes_no_new_ones() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a"))
    ledger = join(ledger, "h1", ledger.members["h1"].model_copy(update={"ready": False}))
    assert place(ledger, claim("a"))[1].hypervisor == "h1"
    assert place(ledger, claim("b"))[1].hypervisor == ""


def test_a_hypervisor_that_leaves_and_comes_back_finds_its_claims() -> None:
    full, _ = place(zone(h1=(1, 1)), claim("a"))
    back = join(leave(full, "h1"), "h1", full.members["h1"])
    assert offers(back) == {"h1": Capacity(cpus=0, memory=0)}


def test_a_hypervisor_that_shrank_below_its_claims_has_nothing_free() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a", cpus=4, gib=8))
    assert offers(join(ledger, "h1", zone(h1=(1, 1)).members["h1"])) == {"h1": Capacity(cpus=0, memory=0)}


def test_a_claim_that_grows_takes_what_is_free_where_it_is_held() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a", gib=2))
    ledger, answer = place(join(ledger, "h2", zone(h2=(64, 64)).members["h2"]), claim("a", cpus=4, gib=8))
    assert answer == Placement(hypervisor="h1", size=Capacity(cpus=4, memory=8 * GIB))
    assert offers(ledger)["h1"] == Capacity(cpus=0, memory=0)


def test_a_claim_that_shrinks_gives_the_rest_back_and_wakes_who_waits_for_it() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a", cpus=4, gib=8))
    ledger, _ = place(ledger, claim("b"))
    ledger, answer = place(ledger, claim("a", cpus=3, gib=7))
    assert answer.size == Capacity(cpus=3, memory=7 * GIB)
    assert to_wake(ledger) == (claim("b").vm,)


def test_a_claim_that_cannot_grow_stays_as_it_is_and_waits_for_room() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a"))
    ledger, _ = place(ledger, claim("b", cpus=2, gib=2))
    ledger, answer = place(ledger, claim("a", cpus=3, gib=7))
    assert answer == Placement(
        hypervisor="h1",
        size=Capacity(cpus=1, memory=GIB),
        message="3 CPU and 7 GiB wanted, 1 CPU and 1 GiB held: h1 has 1 CPU and 5 GiB free beside it",
        waiting=True,
    )
    assert ledger.placed["a"].claim == claim("a")
    assert to_wake(ledger) == ()
    assert to_wake(release(ledger, "b")) == (claim("a").vm,)


def test_who_wants_no_more_than_is_held_waits_no_longer() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a"))
    waiting, _ = place(ledger, claim("a", gib=9))
    assert place(waiting, claim("a")) == (ledger, Placement(hypervisor="h1", size=claim("a").size))


def test_what_waits_is_forgotten_and_what_is_held_is_not() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a"))
    waiting, _ = place(ledger, claim("a", gib=9))
    waiting, _ = place(waiting, claim("b", gib=9))
    assert set(forget(waiting, claim("a").vm).waiting) == {"b"}
    assert forget(waiting, claim("a").vm).placed == ledger.placed


@pytest.mark.parametrize("gone", [False, True])
def test_a_hypervisor_that_is_not_ready_lets_claims_shrink_and_not_grow(gone: bool) -> None:  # noqa: FBT001 - a case
    ledger, _ = place(zone(h1=(4, 8)), claim("a", cpus=2, gib=2))
    away = leave(ledger, "h1") if gone else join(ledger, "h1", Member(capacity=Capacity(cpus=4, memory=8), ready=False))
    assert place(away, claim("a"))[1] == Placement(hypervisor="h1", size=claim("a").size)
    refused = place(away, claim("a", cpus=3))[1]
    assert refused.message == ("3 CPU and 1 GiB wanted, 2 CPU and 2 GiB held: h1 has nothing to give: it is not ready")


def test_a_hypervisor_that_shrank_below_its_claims_still_gives_what_it_has_enough_of() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a", cpus=4, gib=1))
    shrunk = join(ledger, "h1", zone(h1=(1, 8)).members["h1"])
    assert place(shrunk, claim("a", cpus=4, gib=8))[1].size == Capacity(cpus=4, memory=8 * GIB)


def test_what_is_held_can_be_told_without_a_claim() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a"))
    assert held_by(ledger, "a", "why") == Placement(hypervisor="h1", size=claim("a").size, message="why")
    assert held_by(ledger, "b", "why") == Placement(message="why")


def test_a_late_claim_of_a_vm_that_is_gone_is_not_granted() -> None:
    ledger = depart(zone(h1=(4, 8)), "a")
    assert place(ledger, claim("a")) == (ledger, Placement(message="the VM is gone"))


@pytest.mark.parametrize(("cpus", "gib"), [(0, 1), (1, 0)])
def test_a_claim_is_for_something(cpus: int, gib: int) -> None:
    with pytest.raises(ValidationError, match="at least one CPU and one byte"):
        claim("a", cpus=cpus, gib=gib)


def test_the_claims_on_a_hypervisor_are_those_it_holds_and_those_nobody_holds() -> None:
    ledger, _ = place(zone(h1=(4, 8)), claim("a"))
    ledger, _ = place(ledger, claim("a", gib=9))
    ledger, _ = place(ledger, claim("b", gib=9))
    assert claims_on(ledger, "h1") == [claim("a"), claim("b", gib=9)]
    assert claims_on(ledger, "h2") == [claim("b", gib=9)]


NAMES = st.sampled_from(["h1", "h2", "h3"])
UIDS = st.sampled_from("abcdefgh")


class Ledgers(RuleBasedStateMachine):
    """Hypervisors come, go and pause; VMs claim, grow, shrink and release."""

    @initialize(capacities=st.fixed_dictionaries({"h1": st.integers(0, 8), "h2": st.integers(0, 8), "h3": st.just(3)}))
    def begin(self, capacities: dict[str, int]) -> None:
        self.ledger = Ledger()
        self.capacities = {name: Capacity(cpus=size, memory=size * GIB) for name, size in capacities.items()}

    @rule(name=NAMES, ready=st.booleans())
    def joins(self, name: str, *, ready: bool) -> None:
        self.ledger = join(self.ledger, name, Member(capacity=self.capacities[name], ready=ready))

    @rule(name=NAMES)
    def leaves(self, name: str) -> None:
        self.ledger = leave(self.ledger, name)

    @rule(uid=UIDS, cpus=st.integers(1, 8), gib=st.integers(1, 8))
    def claims(self, uid: str, cpus: int, gib: int) -> None:
        wish, before = claim(uid, cpus=cpus, gib=gib), self.ledger.placed.get(uid)
        self.ledger, answer = place(self.ledger, wish)
        again, same = place(self.ledger, wish)
        assert (again, same) == (self.ledger, answer)
        held = self.ledger.placed.get(uid)
        assert answer.hypervisor == (held.hypervisor if held else "")
        assert answer.size == (held.claim.size if held else None)
        assert before is None or before.hypervisor == answer.hypervisor
        assert answer.waiting == bool(answer.message) == (answer.size != wish.size) == (uid in self.ledger.waiting)
        assert answer.size in {None, wish.size, before.claim.size if before else None}

    @rule(uid=UIDS)
    def releases(self, uid: str) -> None:
        self.ledger = release(self.ledger, uid)
        assert uid not in {*self.ledger.placed, *self.ledger.waiting}

    @invariant()
    def nothing_is_promised_twice(self) -> None:
        for name, capacity in self.capacities.items():
            held = [placed.claim.size for placed in self.ledger.placed.values() if placed.hypervisor == name]
            assert sum(size.cpus for size in held) <= capacity.cpus
            assert sum(size.memory for size in held) <= capacity.memory

    @invariant()
    def whoever_is_woken_finds_room(self) -> None:
        waiting = {each.vm: each for each in self.ledger.waiting.values()}
        answers = {vm: place(self.ledger, wish)[1] for vm, wish in waiting.items()}
        assert {vm for vm, answer in answers.items() if answer.size == waiting[vm].size} == set(to_wake(self.ledger))


Ledgers.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLedgers = Ledgers.TestCase
