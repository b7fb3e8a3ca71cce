"""Building a guest: root disk, seed, domain, in that order, each only where it is missing or out of date."""

import time
from pathlib import Path

from domain.guest import GuestPlan
from domain.problem import Problem
from drivers.simulator import guests, volumes
from drivers.simulator.steps import Steps
from drivers.simulator.store import Store


class Builder:
    """Builds guests on one simulated host."""

    def __init__(self, store: Store, steps: Steps, images: Path) -> None:
        self._store = store
        self._steps = steps
        self._images = images

    def ensure_defined(self, plan: GuestPlan, *, fresh: bool) -> None:
        """Make what is missing of a guest and bring the rest to the plan. Raises what `Driver.ensure_defined` names."""
        uid = plan.uid
        with self._store.reading() as db:
            guests.check_name(db, plan)
            there = volumes.exists(db, volumes.root(uid))
        if not there:
            self._make_disk(plan, fresh=fresh)
        with self._store.reading() as db:
            grown = volumes.disk_size(db, uid) >= plan.disk or guests.alive(guests.find(db, uid), time.time())
            seeded = volumes.read(db, volumes.seed(uid)) == volumes.seed_body(plan)
            defined = guests.plan(db, uid) == plan.model_dump_json()
        if not grown:
            self._grow_disk(plan)
        if not seeded:
            with self._steps.step("ensure_defined.seed", uid) as db:
                volumes.write(db, uid, volumes.seed(uid), "seed", volumes.seed_body(plan))
        if not defined:
            with self._steps.step("ensure_defined.domain", uid) as db:
                guests.define(db, plan)

    def _make_disk(self, plan: GuestPlan, *, fresh: bool) -> None:
        if not fresh:
            raise Problem.terminal(
                "RootDiskMissing",
                "its root disk is gone and is not replaced by an empty one; restore the disk or delete the machine",
                field=plan.owner,
            )
        volumes.check_image(self._images, plan)
        with self._steps.step("ensure_defined.partial", plan.uid) as db:
            volumes.write(db, plan.uid, volumes.partial(plan.uid), "partial", volumes.disk_body(plan))
        with self._steps.step("ensure_defined.disk", plan.uid) as db:
            volumes.check_image(self._images, plan)  # it may have gone; from here on `clones` names this disk
            volumes.publish(db, plan.uid)

    def _grow_disk(self, plan: GuestPlan) -> None:
        with self._steps.step("ensure_defined.grow", plan.uid) as db:
            if not guests.alive(guests.find(db, plan.uid), time.time()):  # it may have been powered on meanwhile
                volumes.grow(db, plan.uid, plan.disk)
