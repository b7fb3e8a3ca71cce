"""What may change our mind about a VM, as invariants of what a VM published and of the evidence it had by then.

They are checked on the history of every life: the published objects in their order, and between them the answers of the
hypervisor, the failures, and what people asked.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from domain.guest import Observation, Power, absent
from manifests.contract import OBJECT_MEMO, Signal, Update

_POWERS_ON = {"ensure_running"}
_BUILDS = {"ensure_running", "ensure_defined"}
_UNKNOWN = {"HypervisorUnreachable", "HypervisorNotServed", "HypervisorLost"}
"""Reasons that say that nobody knows how the guest is."""


@dataclass(frozen=True)
class Answered:
    """The hypervisor said how the guest is."""

    seen: Observation


@dataclass(frozen=True)
class Ordered:
    """An activity was begun."""

    activity: str
    start: int


@dataclass(frozen=True)
class Asked:
    """Somebody asked: `stop`, `start`, `delete`."""

    what: str


@dataclass(frozen=True)
class Published:
    """What people could read from then on."""

    status: dict[str, Any]

    @property
    def vm(self) -> tuple[str, str]:
        vm = self.status.get("vm", {})
        return vm.get("power", Power.ABSENT.value), vm.get("incarnation", "")


@dataclass(frozen=True)
class Turn:
    """The workflow has acted on all that came before its latest task began."""


Fact = Answered | Ordered | Asked | Published | Turn


def facts(events: Sequence[HistoryEvent], uid: str) -> Iterator[Fact]:
    """Tell a VM's history in the words of these rules."""
    activities: dict[int, str] = {}
    for event in events:
        fact = _of_the_hypervisor(event, activities, uid) or _of_people(event)
        if fact is not None:
            yield fact


def _of_the_hypervisor(event: HistoryEvent, activities: dict[int, str], uid: str) -> Fact | None:
    match event.event_type:
        case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            name = activities[event.event_id] = scheduled.activity_type.name
            argument = _value(scheduled.input.payloads[0])
            return Ordered(name, argument.get("start", 0) if isinstance(argument, dict) else 0)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = event.activity_task_completed_event_attributes
            if activities[completed.scheduled_event_id] == "ensure_removed":
                return Answered(absent(uid))
            answer = _value(completed.result.payloads[0])
            if isinstance(answer, dict) and "power" in answer:
                return Answered(Observation.model_validate(answer))
    return None


def _of_people(event: HistoryEvent) -> Fact | None:
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return Turn()
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            return Asked(event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            return Asked(event.workflow_execution_signaled_event_attributes.signal_name)
        case EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED:
            memo = event.workflow_properties_modified_event_attributes.upserted_memo.fields
            if OBJECT_MEMO in memo:
                return Published(_value(memo[OBJECT_MEMO]).get("status", {}))
    return None


def _value(payload: Payload) -> Any:
    return json.loads(payload.data) if payload.data else None


def only_answers_change_our_mind(told: Sequence[Fact]) -> Iterator[str]:
    """What is published of the guest is what its hypervisor last said: no failure, no silence and no wake changes it.

    An answer about an earlier power-on changes nothing. What is published in the turn in which an answer arrives may
    not tell it yet.
    """
    known = before = Power.ABSENT.value, ""
    words = {known}
    start = 0
    for fact in told:
        match fact:
            case Answered(seen) if seen.start == 0 or seen.start >= start:
                known, start = (seen.power.value, seen.incarnation), seen.start or start
            case Turn():
                words, before = {before, known}, known
            case Published() if fact.status and fact.vm not in words:
                yield f"it said {fact.vm} when the last word was {known}"
            case _:
                pass


def silence_is_not_a_fact(told: Sequence[Fact]) -> Iterator[str]:
    """While the hypervisor cannot be reached, people are told that nobody knows, unless the VM is new or going."""
    for fact in told:
        if isinstance(fact, Published) and fact.status.get("reason") in _UNKNOWN:
            word = fact.status["printableStatus"]
            if word not in {"Unknown", "Provisioning", "Terminating"}:
                yield f"it said {word} while it could not know"


def a_stop_is_intent(told: Sequence[Fact]) -> Iterator[str]:
    """Nothing but a start or a restart powers on what somebody stopped."""
    stopped = False
    for fact in told:
        match fact:
            case Asked(what) if what in {Update.STOP, Update.START, Update.RESTART}:
                stopped = what == Update.STOP
            case Ordered(activity) if stopped and activity in _POWERS_ON:
                yield "it was powered on after a stop that nobody took back"
            case _:
                pass


def a_delete_is_for_ever(told: Sequence[Fact]) -> Iterator[str]:
    """Nothing is built of what is to go."""
    deleted = False
    for fact in told:
        match fact:
            case Asked(Signal.DELETE):
                deleted = True
            case Ordered(activity) if deleted and activity in _BUILDS:
                yield f"{activity} was ordered after the delete"
            case _:
                pass


def a_power_on_has_one_number(told: Sequence[Fact]) -> Iterator[str]:
    """The numbers of power-ons rise, and none is ordered again once its end was seen."""
    ordered = over = 0
    for fact in told:
        match fact:
            case Ordered(activity, start) if activity in _POWERS_ON:
                if start < ordered or start <= over:
                    yield f"power-on {start} was ordered after {ordered}, when {over} was over"
                ordered = start
            case Answered(seen) if not seen.alive:
                over = max(over, seen.start)
            case _:
                pass


RULES: tuple[Callable[[Sequence[Fact]], Iterator[str]], ...] = (
    only_answers_change_our_mind,
    silence_is_not_a_fact,
    a_stop_is_intent,
    a_delete_is_for_ever,
    a_power_on_has_one_number,
)


def breaches(events: Sequence[HistoryEvent], uid: str) -> list[str]:
    """Return what broke a rule, each with the rule's name."""
    told = list(facts(events, uid))
    return [f"evidence: {rule.__name__}: {breach}" for rule in RULES for breach in rule(told)]
