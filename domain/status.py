"""What people are told about a VM: one printable status, conditions, a reason and a message; all decided here.

Sources: the VirtualServer documentation for `printableStatus` and the condition types; Kubernetes' API conventions for
the shape of a condition.
"""

from datetime import datetime
from enum import StrEnum

from domain.guest import Power, StopCause
from domain.life import Life
from domain.lifecycle import Goal, Step, goal, next_step, up
from domain.model import Value
from domain.problem import Verdict


class PrintableStatus(StrEnum):
    """The one word people read."""

    STOPPED = "Stopped"
    PROVISIONING = "Provisioning"
    STARTING = "Starting"
    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPING = "Stopping"
    TERMINATING = "Terminating"
    UNKNOWN = "Unknown"
    FAILED_UNSCHEDULABLE = "FailedUnschedulable"


class Reason(StrEnum):
    """Reasons that decisions depend on; drivers and images add their own, which are only shown."""

    UNSCHEDULABLE = "Unschedulable"
    HYPERVISOR_UNREACHABLE = "HypervisorUnreachable"
    HYPERVISOR_NOT_SERVED = "HypervisorNotServed"
    IMPORTING = "Importing"


class ConditionType(StrEnum):
    """The conditions of a VirtualServer."""

    DATA_IMPORTED = "DataImported"
    READY = "Ready"
    FAILURE = "Failure"
    PAUSED = "Paused"


class Condition(Value):
    """One condition; `since` is when its status last changed, shown as lastTransitionTime."""

    type: ConditionType
    status: bool
    reason: str
    message: str
    since: datetime


AT_REST = frozenset({"Paused", "GuestBooted", "GuestSilent", "GuestBooting", "GuestOff"})
"""Reasons of a VM that waits for nothing but news of its guest."""

_UNREACHABLE = {Reason.HYPERVISOR_UNREACHABLE, Reason.HYPERVISOR_NOT_SERVED}

_WORKING = {
    Step.SURVEY: ("Placing", "looking for a zone"),
    Step.PLACE: ("Placing", "looking for room"),
    Step.IMPORT: (Reason.IMPORTING, "waiting for the image"),
    Step.DEFINE: ("Defining", "building the root disk, the seed and the domain"),
    Step.RUN: ("Starting", "building what is missing and powering on"),
    Step.OBSERVE: ("Observing", "asking the hypervisor"),
    Step.STOP: ("ShuttingDown", "asking the guest to shut down"),
    Step.REMOVE: ("Removing", "removing the domain and its disks"),
    Step.RELEASE: ("Releasing", "giving its room back"),
    Step.END: ("Gone", "nothing is left"),
}

_EXITS = {
    StopCause.UNKNOWN: "the guest is off",
    StopCause.GUEST: "the guest shut itself down",
    StopCause.HOST: "the guest was powered off",
    StopCause.FAILED: "the guest's process died",
    StopCause.CRASHED: "the guest's kernel panicked",
}

_CRASHES = {StopCause.FAILED: "GuestFailed", StopCause.CRASHED: "GuestCrashed"}
"""Ends of a guest that nobody asked for, and what they are called; the others may be somebody's wish."""

_IMPORTED = ("Succeeded", "Root disk has been imported successfully.")
_PAUSED = ("Paused", "the guest is paused")


def printable_status(life: Life, now: datetime) -> PrintableStatus:
    """Return the one word. The rules are ordered: the first that applies wins."""
    reason = life.hold.reason if life.hold else ""
    power = life.observed.power
    rules = (
        (goal(life) is Goal.GO, PrintableStatus.TERMINATING),
        (reason == Reason.UNSCHEDULABLE, PrintableStatus.FAILED_UNSCHEDULABLE),
        (reason in _UNREACHABLE and life.provisioned, PrintableStatus.UNKNOWN),
        (not life.provisioned, PrintableStatus.PROVISIONING),
        (life.observed.alive and (goal(life) is Goal.STOP or bool(life.ending)), PrintableStatus.STOPPING),
        (power is Power.PAUSED, PrintableStatus.PAUSED),
        (up(life, now), PrintableStatus.RUNNING),
        (goal(life) is Goal.RUN, PrintableStatus.STARTING),
        (True, PrintableStatus.STOPPED),
    )
    return next(word for applies, word in rules if applies)


def explain(life: Life, now: datetime) -> tuple[str, str]:
    """Return reason and message: what holds the VM up, else what it is doing, else how it is."""
    if life.hold:
        return life.hold.reason, f"{life.hold.field}: {life.hold.message}" if life.hold.field else life.hold.message
    step = next_step(life)
    return _at_rest(life, now) if step is Step.REST else _WORKING[step]


def _at_rest(life: Life, now: datetime) -> tuple[str, str]:
    if life.observed.power is Power.PAUSED:
        return _PAUSED
    if life.observed.booted:
        return "GuestBooted", f"the guest is up on {life.hypervisor}"
    if up(life, now):
        return "GuestSilent", f"the guest runs on {life.hypervisor}; it has neither an agent nor an address"
    if life.observed.power is Power.RUNNING:
        return "GuestBooting", f"the guest is booting on {life.hypervisor}"
    return "GuestOff", _EXITS[life.observed.cause]


def conditions(life: Life, before: tuple[Condition, ...], now: datetime) -> tuple[Condition, ...]:
    """Return the conditions; `since` is kept from `before` where the status is the same."""
    reason, message = explain(life, now)
    booted = life.observed.booted
    paused = life.observed.power is Power.PAUSED
    imported = life.image is not None
    states = (
        (ConditionType.DATA_IMPORTED, imported, *(_IMPORTED if imported else (reason, message))),
        (ConditionType.READY, booted, reason, message),
        (ConditionType.FAILURE, *_failure(life, reason, message)),
        (ConditionType.PAUSED, paused, *(_PAUSED if paused else ("NotPaused", "the guest is not paused"))),
    )
    since = {(each.type, each.status): each.since for each in before}
    return tuple(
        Condition(type=kind, status=status, reason=why, message=text, since=since.get((kind, status), now))
        for kind, status, why, text in states
    )


def _failure(life: Life, reason: str, message: str) -> tuple[bool, str, str]:
    """Return the Failure condition: a step that failed, else a guest that ended as nobody wished."""
    if life.hold is not None and life.hold.verdict is not Verdict.WAIT:
        return True, reason, message
    if life.observed.power is Power.OFF and life.observed.cause in _CRASHES:
        return True, _CRASHES[life.observed.cause], _EXITS[life.observed.cause]
    return False, "NoFailure", "nothing failed"
