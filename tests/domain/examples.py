"""Lives and guests to begin a test with."""

from datetime import UTC, datetime

from domain import requests
from domain.guest import GuestInfo, Observation, Power, Shape, StopCause
from domain.hypervisor import Capacity
from domain.image import ImageFacts, ImageSource
from domain.life import Life, born
from domain.machine import MachineSpec, guest_plan
from domain.requests import Request
from domain.run_strategy import Operation, RunStrategy

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
UID = "8c3a4f5e-0000-4000-8000-000000000001"
GIB = 2**30

SPEC = MachineSpec(
    namespace="team",
    name="web",
    cpus=2,
    memory=4 * GIB,
    disk=20 * GIB,
    source=ImageSource(url="https://images.example/debian.qcow2"),
)
ROOM = Capacity(cpus=SPEC.cpus, memory=SPEC.memory)
SHAPE = guest_plan(SPEC, UID).shape
BUILD = guest_plan(SPEC, UID).build
IMAGE = ImageFacts(key=SPEC.image, sha256="ab" * 32, format="qcow2", virtual_size=2 * GIB, size=GIB)


def newborn(strategy: RunStrategy = RunStrategy.ALWAYS) -> Life:
    """Return a VM nobody has been asked anything for."""
    return born(SPEC.model_copy(update={"run_strategy": strategy}), UID, NOW)


def placed(strategy: RunStrategy = RunStrategy.ALWAYS) -> Life:
    """Return a VM that has room at a hypervisor."""
    return newborn(strategy).but(asked=("z1",), zone="z1", hypervisor="h1", claimed=ROOM, granted=ROOM)


def at_host(seen: Observation, strategy: RunStrategy = RunStrategy.ALWAYS) -> Life:
    """Return a VM whose hypervisor said this; it has been wanted to run until now."""
    return placed(strategy).but(
        image=IMAGE,
        touched=True,
        provisioned=seen.power is not Power.ABSENT,
        wanted=True,
        observed=seen,
        started=NOW if seen.alive else None,
    )


def running(
    incarnation: str = "i1",
    *,
    agent: bool = True,
    start: int = 0,
    shape: Shape | None = None,
    build: str = "",
) -> Observation:
    """Return what a hypervisor says of a running guest; without an agent it has not shown itself yet."""
    return Observation(
        uid=UID,
        power=Power.RUNNING,
        incarnation=incarnation,
        guest=GuestInfo(agent=agent),
        start=start,
        shape=shape,
        build=build,
    )


def paused(incarnation: str = "i1", *, start: int = 0, shape: Shape | None = None) -> Observation:
    """Return what a hypervisor says of a paused guest."""
    return Observation(uid=UID, power=Power.PAUSED, incarnation=incarnation, start=start, shape=shape)


def off(cause: StopCause = StopCause.UNKNOWN, *, start: int = 0) -> Observation:
    """Return what a hypervisor says of a guest that is off."""
    return Observation(uid=UID, power=Power.OFF, cause=cause, start=start)


def asked(life: Life, *operations: Operation, force: bool = False, grace: float | None = None, by: str = "") -> Life:
    """Return a life of which operations were asked, each by a request of its own."""
    for operation in operations:
        request = Request(id=f"r{len(life.requests)}", by=by, force=force, grace=grace)
        life = requests.asked_for(life, operation, request, NOW)
    return life


def edited(life: Life, **changes: object) -> Life:
    """Return a life whose declaration was edited."""
    spec = life.spec.model_copy(update=changes)
    return requests.declared(life, spec, Request(id=f"r{len(life.requests)}"), NOW)
