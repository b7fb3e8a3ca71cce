"""The explorer finds what it is there to find: each mutation makes one thing wrong, which shows only when struck."""

from collections.abc import Callable
from itertools import count

import pytest

from domain import placement
from domain.guest import GuestPlan, Observation, Power, StopCause, absent
from domain.life import Hold, Life
from domain.placement import Claim, Ledger, Placement
from domain.status import Reason
from drivers.simulator import SimulatorDriver, guests, volumes
from drivers.simulator.building import Builder
from tests.crash.conftest import Explorers
from tests.crash.points import Point

Patch = pytest.MonkeyPatch


def removing_stops_at_an_absent_domain(patch: Patch) -> None:
    """`ensure_removed` does not look for what an attempt that was cut off has left."""
    whole = SimulatorDriver.ensure_removed

    def ensure_removed(self: SimulatorDriver, uid: str) -> None:
        if self.observe(uid).power is not Power.ABSENT:
            whole(self, uid)

    patch.setattr(SimulatorDriver, "ensure_removed", ensure_removed)


def starting_adopts_nothing(patch: Patch) -> None:
    """`ensure_running` powers on anew whatever it finds."""
    whole = SimulatorDriver.ensure_running

    def ensure_running(self: SimulatorDriver, plan: GuestPlan, *, fresh: bool, start: int) -> Observation:
        with self._store.writing() as db:
            guests.end(db, plan.uid, StopCause.HOST)
            db.execute("UPDATE guests SET start = 0 WHERE uid = ?", (plan.uid,))
        return whole(self, plan, fresh=fresh, start=start)

    patch.setattr(SimulatorDriver, "ensure_running", ensure_running)


def every_attempt_names_its_partial_file(patch: Patch) -> None:
    """`ensure_defined` does not find the partial file of an attempt that was cut off."""
    whole, attempts = Builder._make_disk, count()
    current = ""

    def make_disk(self: Builder, plan: GuestPlan, *, fresh: bool) -> None:
        nonlocal current
        current = f".{next(attempts)}.partial"
        whole(self, plan, fresh=fresh)

    patch.setattr(Builder, "_make_disk", make_disk)
    patch.setattr(volumes, "partial", lambda uid: volumes.root(uid) + current)


def claiming_again_claims_more(patch: Patch) -> None:
    """A zone takes a claim that is repeated for another one."""
    whole = placement.place

    def place(ledger: Ledger, claim: Claim) -> tuple[Ledger, Placement]:
        if claim.uid in ledger.placed:
            claim = claim.model_copy(update={"uid": f"{claim.uid}-again"})
        return whole(ledger, claim)

    patch.setattr(placement, "place", place)


def silence_counts_as_absence(patch: Patch) -> None:
    """A hypervisor that cannot be reached is taken for one that has no such domain."""
    whole = Life.but

    def but(self: Life, **changes: object) -> Life:
        hold = changes.get("hold")
        if isinstance(hold, Hold) and hold.reason == Reason.HYPERVISOR_UNREACHABLE:
            changes["observed"] = absent(self.uid)
        return whole(self, **changes)

    patch.setattr(Life, "but", but)


@pytest.mark.parametrize(
    ("mutate", "life", "struck", "finds"),
    [
        (
            removing_stops_at_an_absent_domain,
            "create, delete",
            "ensure_removed#1/ensure_removed.domain:after:crash",
            "seeds",
        ),
        (starting_adopts_nothing, "create, delete", "ensure_running#1:after:lost", "power_ons"),
        (
            every_attempt_names_its_partial_file,
            "create, delete",
            "ensure_running#1/ensure_defined.partial:after:crash",
            "partial_files",
        ),
        (claiming_again_claims_more, "create, delete", "ensure_claimed#1:after:lost", "claims"),
        (silence_counts_as_absence, "restart", "ensure_stopped#1:before:error", "only_answers_change_our_mind"),
    ],
)
async def test_a_mutation_is_found_at_the_point_where_it_shows(
    explorers: Explorers,
    monkeypatch: pytest.MonkeyPatch,
    mutate: Callable[[Patch], None],
    life: str,
    struck: str,
    finds: str,
) -> None:
    mutate(monkeypatch)
    run = await explorers(at_once=1, patience=3).lead(life, Point.parse(struck))
    assert [finding for finding in run.findings if f" {finds}: " in finding], run.findings
