"""What people are told about a VM: one printable status, conditions, a reason and a message; all decided here.

Sources: the VirtualServer documentation for `printableStatus` and the condition types; Kubernetes' API conventions for
the shape of a condition.
"""

from datetime import datetime
from enum import StrEnum

from domain.guest import Power, StopCause
from domain.life import Life
from domain.lifecycle import Goal, Step, backing_off, goal, next_step, restart_required, up
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
    CRASH_LOOP_BACK_OFF = "CrashLoopBackOff"
    MIGRATING = "Migrating"
    """Part of the kind's vocabulary; no VM migrates yet."""
    UNKNOWN = "Unknown"
    FAILED_UNSCHEDULABLE = "FailedUnschedulable"


class Reason(StrEnum):
    """Reasons that decisions depend on; drivers and images add their own, which are only shown."""

    UNSCHEDULABLE = "Unschedulable"
    HYPERVISOR_UNREACHABLE = "HypervisorUnreachable"
    HYPERVISOR_NOT_SERVED = "HypervisorNotServed"
    IMPORTING = "Importing"
    HYPERVISOR_LOST = "HypervisorLost"
    CRASH_LOOP_BACK_OFF = "CrashLoopBackOff"


class ConditionType(StrEnum):
    """The conditions of a VirtualServer. The last two are there only while they are true, as KubeVirt's are."""

    DATA_IMPORTED = "DataImported"
    READY = "Ready"
    FAILURE = "Failure"
    PAUSED = "Paused"
    RESTART_REQUIRED = "RestartRequired"
    RESIZE_PENDING = "ResizePending"


class Truth(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Value):
    """One condition; `since` is when its status last changed, shown as lastTransitionTime."""

    type: ConditionType
    status: Truth
    reason: str
    message: str
    since: datetime


BOOTING = "GuestBooting"
AT_REST = frozenset({"Paused", "GuestBooted", "GuestSilent", BOOTING, "GuestOff"})
"""Reasons of a VM that waits for nothing but news of its guest."""

UNREACHABLE = frozenset({Reason.HYPERVISOR_UNREACHABLE, Reason.HYPERVISOR_NOT_SERVED})
"""Reasons that say nothing about the guest: nobody got as far as its hypervisor."""

_WORKING = {
    Step.SURVEY: ("Placing", "looking for a zone"),
    Step.PLACE: ("Placing", "looking for room"),
    Step.IMPORT: (Reason.IMPORTING, "waiting for the image"),
    Step.DEFINE: ("Defining", "building the root disk, the seed and the domain"),
    Step.RUN: ("Starting", "building what is missing and powering on"),
    Step.OBSERVE: ("Observing", "asking the hypervisor"),
    Step.STOP: ("ShuttingDown", "asking the guest to shut down"),
    Step.ORDER: ("Operating", "carrying out what was asked of the running guest"),
    Step.RECLAIM: ("Resizing", "asking the zone for other room"),
    Step.FIT: ("Resizing", "fitting the running guest to what is declared"),
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

_CRASHES = {
    StopCause.FAILED: ("GuestFailed", _EXITS[StopCause.FAILED]),
    StopCause.CRASHED: ("GuestCrashed", _EXITS[StopCause.CRASHED]),
    StopCause.UNKNOWN: (
        "GuestLost",
        "the guest ran, and does not any more; its hypervisor cannot say why",
    ),
}
"""Ends of a guest that nobody asked for, and what they are called; the others may be somebody's wish. So may an unknown
one be, unless it was counted among those nobody asked for (`Life.ends`)."""

_IMPORTED = ("Succeeded", "Root disk has been imported successfully.")
_PAUSED = ("Paused", "the guest is paused")
_NO_GUEST = "VMINotExists"
_RESTART = ("RestartRequired", "parts of the declaration take effect at the next power-on; restart the VM")


def printable_status(life: Life, now: datetime) -> PrintableStatus:
    """Return the one word. The rules are ordered: the first that applies wins."""
    reason = life.hold.reason if life.hold else ""
    wanted = goal(life)
    rules = (
        (wanted is Goal.GO, PrintableStatus.TERMINATING),
        (reason == Reason.UNSCHEDULABLE, PrintableStatus.FAILED_UNSCHEDULABLE),
        (_unknown(life), PrintableStatus.UNKNOWN),
        (not life.provisioned, PrintableStatus.PROVISIONING),
        (life.observed.alive and (wanted is Goal.STOP or bool(life.ending)), PrintableStatus.STOPPING),
        (life.observed.paused, PrintableStatus.PAUSED),
        (up(life, now), PrintableStatus.RUNNING),
        (backing_off(life, now), PrintableStatus.CRASH_LOOP_BACK_OFF),
        (wanted is Goal.RUN, PrintableStatus.STARTING),
        (True, PrintableStatus.STOPPED),
    )
    return next(word for applies, word in rules if applies)


def explain(life: Life, now: datetime) -> tuple[str, str]:
    """Return reason and message: what holds the VM up, else what it is doing, else how it is."""
    if life.hold:
        return life.hold.reason, f"{life.hold.field}: {life.hold.message}" if life.hold.field else life.hold.message
    if life.adrift and not life.stale:
        known = life.observed.power.value.lower()
        return Reason.HYPERVISOR_LOST, f"{life.hypervisor} is out of reach; when last seen, the guest was {known}"
    if backing_off(life, now):
        return Reason.CRASH_LOOP_BACK_OFF, _backoff(life)
    step = next_step(life)
    return _at_rest(life, now) if step is Step.REST else _WORKING[step]


def conditions(life: Life, before: tuple[Condition, ...], now: datetime) -> tuple[Condition, ...]:
    """Return the conditions; `since` is kept from `before` where the status is the same."""
    reason, message = explain(life, now)
    paused = life.observed.paused
    imported = life.image is not None
    states = [
        (ConditionType.DATA_IMPORTED, imported, *(_IMPORTED if imported else (reason, message))),
        (ConditionType.READY, *_ready(life, reason, message)),
        (ConditionType.FAILURE, *_failure(life, reason, message)),
        (ConditionType.PAUSED, paused, *(_PAUSED if paused else ("NotPaused", "the guest is not paused"))),
    ]
    if restart_required(life):
        states.append((ConditionType.RESTART_REQUIRED, True, *_RESTART))
    if life.cramped:
        states.append((ConditionType.RESIZE_PENDING, True, "NoRoom", life.cramped))
    since = {(each.type, each.status): each.since for each in before}
    truths = [(kind, truth(status), why, text) for kind, status, why, text in states]
    return tuple(
        Condition(type=kind, status=status, reason=why, message=text, since=since.get((kind, status), now))
        for kind, status, why, text in truths
    )


def truth(known: bool | None) -> Truth:  # noqa: FBT001 - a truth value is what it turns into a word
    """Return a condition's status; None means that nobody can say."""
    if known is None:
        return Truth.UNKNOWN
    return Truth.TRUE if known else Truth.FALSE


def _unknown(life: Life) -> bool:
    """Return whether nobody can say how the guest is: its hypervisor is out of reach."""
    held = life.hold is not None and life.hold.reason in UNREACHABLE
    return life.provisioned and (life.adrift or held)


def _at_rest(life: Life, now: datetime) -> tuple[str, str]:
    if life.observed.paused:
        return _PAUSED
    if life.observed.booted:
        return "GuestBooted", f"the guest is up on {life.hypervisor}"
    if up(life, now):
        return "GuestSilent", f"the guest runs on {life.hypervisor}; it has neither an agent nor an address"
    if life.observed.power is Power.RUNNING:
        return BOOTING, f"the guest is booting on {life.hypervisor}"
    return "GuestOff", _EXITS[life.observed.cause]


def _backoff(life: Life) -> str:
    again = life.again.strftime("%H:%M:%S UTC") if life.again else "once"
    return f"{_EXITS[life.observed.cause]}; it ended {life.ends} times in a row and is started again at {again}"


def _ready(life: Life, reason: str, message: str) -> tuple[bool | None, str, str]:
    """Return the Ready condition: the operating system is up, and it is to stay so."""
    if _unknown(life):
        return None, reason, message
    if life.provisioned and not life.observed.alive:
        return False, _NO_GUEST, f"VMI does not exist: {message}"
    return life.observed.booted and goal(life) is Goal.RUN and not life.ending, reason, message


def _failure(life: Life, reason: str, message: str) -> tuple[bool, str, str]:
    """Return the Failure condition: a step that failed for good, else a guest that ended as nobody wished."""
    if life.hold is not None and life.hold.verdict is Verdict.TERMINAL:
        return True, reason, message
    cause = life.observed.cause
    known = cause is not StopCause.UNKNOWN or (life.ends > 0 and not life.deleting)
    if not life.observed.alive and cause in _CRASHES and known:
        return True, *_CRASHES[cause]
    return False, "NoFailure", "nothing failed"
