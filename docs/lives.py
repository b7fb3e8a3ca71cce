"""Sample lives for the diagrams: one for every goal and situation, and what a step that succeeds makes of it.

The answers below are those workflows/steps.py learns from; what follows from them is decided by the domain's own
functions, so a changed rule changes the diagram.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from domain.guest import Observation, Power, StopCause, absent
from domain.image import ImageFacts, ImageSource
from domain.life import Life, born, learned
from domain.lifecycle import TABLE, Goal, Situation, Step, goal, situation
from domain.machine import MachineSpec
from domain.run_strategy import RunStrategy

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_UID = "00000000-0000-4000-8000-000000000001"
_SOURCE = ImageSource(url="https://example.org/disk.qcow2")
_SPEC = MachineSpec(namespace="default", name="web", cpus=1, memory=2**28, disk=2**32, source=_SOURCE)
_FACTS = ImageFacts(key=_SPEC.image, sha256="0" * 64, format="qcow2", virtual_size=2**30, size=2**20)

Effect = Callable[[Life], Life]


def destinations(aim: Goal, where: Situation) -> list[Situation]:
    """Return the situations to which the step of the table leads when it succeeds."""
    return [situation(effect(sample(aim, where))) for effect in _EFFECTS[TABLE[aim][where]]]


def sample(aim: Goal, where: Situation) -> Life:
    """Return a life with that goal in that situation; a ValueError when the domain sees another one in it."""
    life = born(_SPEC, _UID, _NOW).but(**_INTENT[aim]).but(**_KNOWN[where])
    if (goal(life), situation(life)) != (aim, where):
        raise ValueError(f"the sample of {aim} and {where} is one of {goal(life)} and {situation(life)}")
    return life


def _seen(power: Power) -> Observation:
    alive = power in {Power.RUNNING, Power.PAUSED}
    return Observation(uid=_UID, power=power, incarnation="first" if alive else "", cause=StopCause.HOST)


def _learns(power: Power) -> Effect:
    return lambda life: learned(life.but(touched=True), _seen(power), _NOW)


def _gets(**changes: object) -> Effect:
    return lambda life: life.but(**changes)


_INTENT: dict[Goal, dict[str, object]] = {
    Goal.RUN: {"strategy": RunStrategy.ALWAYS},
    Goal.STOP: {"strategy": RunStrategy.HALTED},
    Goal.GO: {"deleting": _NOW},
}

_ASKED: dict[str, object] = {"asked": ("zone",)}
_PLACED: dict[str, object] = {**_ASKED, "zone": "zone", "hypervisor": "host"}
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
    Situation.DOOMED: {**_TOUCHED, "observed": _seen(Power.RUNNING), "ending": "first"},
}

_EFFECTS: dict[Step, list[Effect]] = {
    Step.SURVEY: [_gets(**_ASKED)],
    Step.PLACE: [_gets(**_PLACED)],
    Step.IMPORT: [_gets(**_READY, lost=False)],
    Step.DEFINE: [_learns(Power.OFF)],
    Step.RUN: [_learns(Power.RUNNING)],
    Step.OBSERVE: [_learns(power) for power in Power],
    Step.STOP: [_learns(Power.OFF)],
    Step.REMOVE: [_gets(observed=absent(_UID), touched=False, stale=False, provisioned=False)],
    Step.RELEASE: [_gets(asked=(), zone="", hypervisor="", image=None, released=True)],
}
