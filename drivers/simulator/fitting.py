"""Fitting a running guest to a plan: memory, CPUs, root disk, exposed ports, each where it differs and can follow."""

from domain.guest import GuestPlan, Power
from drivers.simulator import guests, volumes
from drivers.simulator.steps import Steps
from drivers.simulator.store import Store


def fit(store: Store, steps: Steps, plan: GuestPlan, incarnation: str) -> None:
    """Bring one running incarnation as near to the plan's shape as it can come; what it cannot follow is left."""
    uid = plan.uid
    with store.reading() as db:
        row = guests.find(db, uid)
    seen = guests.observation(row, uid, ask=False)
    if row is None or seen.shape is None or seen.incarnation != incarnation or seen.power is not Power.RUNNING:
        return
    shape, wanted = seen.shape, plan.shape
    memory = min(plan.memory, row["max_memory"])
    if memory != shape.memory:
        with steps.step("ensure_fitted.memory", uid) as db:
            guests.fit(db, uid, incarnation=incarnation, field="memory", value=memory)
    cpus = min(plan.cpus, row["max_cpus"])
    if cpus > shape.cpus:  # a guest's CPUs are never taken away while it computes on them
        with steps.step("ensure_fitted.cpus", uid) as db:
            guests.fit(db, uid, incarnation=incarnation, field="cpus", value=cpus)
    if plan.disk > shape.disk:
        with steps.step("ensure_fitted.disk", uid) as db:
            if guests.fit(db, uid, incarnation=incarnation, field="disk", value=plan.disk):
                volumes.grow(db, uid, plan.disk)
    if (wanted.tcp, wanted.udp) != (shape.tcp, shape.udp):
        with steps.step("ensure_fitted.ports", uid) as db:
            guests.fit(db, uid, incarnation=incarnation, field="tcp", value=wanted.tcp)
            guests.fit(db, uid, incarnation=incarnation, field="udp", value=wanted.udp)
