"""Sample lives for the diagrams: one for every goal and situation, and what a step that succeeds makes of it.

The answers below are those workflows/steps.py learns from; what follows from them is decided by the domain's own
functions, so a changed rule changes the diagram.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from domain.guest import Observation, Power, Shape, StopCause, absent
from domain.hypervisor import Capacity
from domain.image import ImageFacts, ImageSource
from domain.life import Life, Order, born, learned
from domain.lifecycle import TABLE, Goal, Situation, Step, fitting, goal, situation
from domain.machine import MachineSpec
from domain.run_strategy import Operation, RunStrategy

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_UID = "00000000-0000-4000-8000-000000000001"
_SOURCE = ImageSource(url="https://example.org/disk.qcow2")
_SPEC = MachineSpec(namespace="default", name="web", cpus=1, memory=2**28, disk=2**32, source=_SOURCE)
_ROOM = Capacity(cpus=_SPEC.cpus, memory=_SPEC.memory)
_SHAPE = Shape(cpus=_SPEC.cpus, memory=_SPEC.memory, disk=_SPEC.disk)
_SMALLER = Shape(cpus=_SPEC.cpus, memory=_SPEC.memory // 2, disk=_SPEC.disk)
_FACTS = ImageFacts(key=_SPEC.image, sha256="0" * 64, format="qcow2", virtual_size=2**30, size=2**20)

Effect = Callable[[Life], Life]

NEVER_MET = {(Goal.GO, Situation.CRAMPED), (Goal.RUN, Situation.RELEASED), (Goal.STOP, Situation.RELEASED)}
"""Pairs that no life comes to: no room is asked for what is to go, and nothing takes a deletion back."""


def destinations(aim: Goal, where: Situation) -> list[Situation]:
    """Return the situations to which the step of the table leads when it succeeds."""
    return [situation(effect(sample(aim, where))) for effect in _EFFECTS[TABLE[aim][where]]]


def sample(aim: Goal, where: Situation) -> Life:
    """Return a life with that goal in that situation.

    Raises ValueError for a pair that is never met, and when the domain sees another one in what is thought to be it.
    """
    if (aim, where) in NEVER_MET:
        raise ValueError(f"no life has the goal {aim} and is {where}")
    life = born(_SPEC, _UID, _NOW).but(**_INTENT[aim]).but(**_KNOWN[where])
    if (goal(life), situation(life)) != (aim, where):
        raise ValueError(f"the sample of {aim} and {where} is one of {goal(life)} and {situation(life)}")
    return life


def _seen(power: Power, shape: Shape = _SHAPE) -> Observation:
    if power in {Power.RUNNING, Power.PAUSED}:
        return Observation(uid=_UID, power=power, incarnation="first", shape=shape)
    return Observation(uid=_UID, power=power, cause=StopCause.HOST)


def _learns(power: Power) -> Effect:
    return lambda life: learned(life.but(touched=True), _seen(power), _NOW)


def _is_carried_out(power: Power) -> Effect:
    return lambda life: learned(life.but(orders=()), _seen(power), _NOW)


def _is_fitted(shape: Shape) -> Effect:
    return lambda life: learned(life.but(fitted=fitting(life)), _seen(Power.RUNNING, shape), _NOW)


def _gets(**changes: object) -> Effect:
    return lambda life: life.but(**changes)


_INTENT: dict[Goal, dict[str, object]] = {
    Goal.RUN: {"strategy": RunStrategy.ALWAYS},
    Goal.STOP: {"strategy": RunStrategy.HALTED},
    Goal.GO: {"deleting": _NOW},
}

_ASKED: dict[str, object] = {"asked": ("zone",)}
_PLACED: dict[str, object] = {**_ASKED, "zone": "zone", "hypervisor": "host", "claimed": _ROOM, "granted": _ROOM}
_READY: dict[str, object] = {**_PLACED, "image": _FACTS}
_TOUCHED: dict[str, object] = {**_READY, "touched": True}

_KNOWN: dict[Situation, dict[str, object]] = {
    Situation.NEW: {},
    Situation.RELEASED: {"released": True},
    Situation.UNPLACED: _ASKED,
    Situation.PLACED: _PLACED,
    Situation.READY: _READY,
    Situation.STALE: {**_TOUCHED, "stale": True},
    Situation.IMAGELESS: {**_TOUCHED, "lost": True},
    Situation.ABSENT: {**_TOUCHED, "observed": _seen(Power.ABSENT)},
    Situation.OFF: {**_TOUCHED, "observed": _seen(Power.OFF)},
    Situation.RUNNING: {**_TOUCHED, "observed": _seen(Power.RUNNING)},
    Situation.PAUSED: {**_TOUCHED, "observed": _seen(Power.PAUSED)},
    Situation.CUT_OFF: {**_TOUCHED, "observed": _seen(Power.RUNNING).model_copy(update={"cut_off": True})},
    Situation.DOOMED: {**_TOUCHED, "observed": _seen(Power.RUNNING), "ending": "first"},
    Situation.ORDERED: {
        **_TOUCHED,
        "observed": _seen(Power.RUNNING),
        "orders": (Order(operation=Operation.PAUSE, incarnation="first", request="one"),),
    },
    Situation.CRAMPED: {
        **_TOUCHED,
        "observed": _seen(Power.RUNNING, _SMALLER),
        "granted": Capacity(cpus=_SMALLER.cpus, memory=_SMALLER.memory),
    },
    Situation.UNFIT: {**_TOUCHED, "observed": _seen(Power.RUNNING, _SMALLER)},
}

_EFFECTS: dict[Step, list[Effect]] = {
    Step.SURVEY: [_gets(**_ASKED)],
    Step.PLACE: [_gets(**_PLACED)],
    Step.IMPORT: [_gets(**_READY, lost=False)],
    Step.DEFINE: [_learns(Power.OFF)],
    Step.RUN: [_learns(Power.RUNNING)],
    Step.OBSERVE: [_learns(power) for power in Power],
    Step.STOP: [_learns(Power.OFF)],
    Step.ORDER: [_is_carried_out(power) for power in (Power.RUNNING, Power.PAUSED)],
    Step.RECLAIM: [_gets(granted=_ROOM), _gets(cramped="the zone has no more room")],
    Step.FIT: [_is_fitted(_SHAPE)],
    Step.REMOVE: [_gets(observed=absent(_UID), touched=False, stale=False, provisioned=False)],
    Step.RELEASE: [_gets(asked=(), zone="", hypervisor="", granted=None, image=None, released=True)],
}
