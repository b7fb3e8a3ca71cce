"""Statuses as people read them: camelCase documents made from what the domain knows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from domain.guest import Forward
from domain.hypervisor import HypervisorFacts, Orphan
from domain.image import ImageFacts
from domain.life import Hold, Life
from domain.names import domain_name
from domain.placement import Ledger, offers
from domain.quantity import format_bytes
from domain.status import Condition, ConditionType, PrintableStatus, Truth, explain, printable_status
from manifests.base import InvalidManifestError, Schema


def condition(each: Condition) -> dict[str, str]:
    """Return a condition the way Kubernetes writes one."""
    return {
        "type": each.type.value,
        "status": each.status.value,
        "reason": each.reason,
        "message": each.message,
        "lastTransitionTime": timestamp(each.since),
    }


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC with whole seconds, as Kubernetes' metav1.Time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def machine_status(life: Life, conditions: tuple[Condition, ...], now: datetime) -> dict[str, Any]:
    """Return a VM's status document."""
    reason, message = explain(life, now)
    seen = life.observed
    status: dict[str, Any] = {
        "observedGeneration": life.generation,
        "printableStatus": printable_status(life, now).value,
        "reason": reason,
        "message": message,
        "runStrategy": life.strategy.value,
        "conditions": [condition(each) for each in conditions],
        "vm": {
            "name": domain_name(life.spec.name, life.uid, length=life.suffix),
            "power": seen.power.value,
            "incarnation": seen.incarnation,
        },
        "exits": life.exits,
    }
    if life.hypervisor:
        status["placement"] = {"zone": life.zone, "hypervisor": life.hypervisor}
    if life.image:
        status["image"] = {"sha256": life.image.sha256, "virtualSize": life.image.virtual_size}
    if seen.booted:
        status["guest"] = {
            "agentConnected": seen.guest.agent,
            "addresses": list(seen.guest.addresses),
            "hostname": seen.guest.hostname,
            "os": seen.guest.os,
            "agentVersion": seen.guest.agent_version,
        }
    if seen.forwards:
        status["forwards"] = [_forward(each) for each in seen.forwards]
    if seen.shape:
        shape = seen.shape
        status["resources"] = {
            "cpus": shape.cpus,
            "memory": format_bytes(shape.memory),
            "disk": format_bytes(shape.disk),
        }
    if life.last:
        status["lastOperation"] = {"operation": life.last.operation, "by": life.last.by, "at": timestamp(life.last.at)}
    if life.ends:
        again = {"next": timestamp(life.again)} if life.again else {}
        status["restarts"] = {"inARow": life.ends, **again}
    return status


def refused_status(
    problem: InvalidManifestError, now: datetime, unmet: tuple[ConditionType, ...] = ()
) -> dict[str, Any]:
    """Return the status of an object whose manifest cannot be accepted: it provisions nothing, and says why.

    unmet: what else objects of its kind always say of themselves, none of it true here.
    """
    states = [(ConditionType.FAILURE, Truth.TRUE), *((each, Truth.FALSE) for each in unmet)]
    why = {"reason": problem.reason, "message": str(problem), "since": now}
    conditions = [Condition(type=each, status=word, **why) for each, word in states]
    return {
        "printableStatus": PrintableStatus.PROVISIONING.value,
        "reason": problem.reason,
        "message": f"{problem}; delete the object, mend the manifest and apply it again",
        "conditions": [condition(each) for each in conditions],
    }


def _forward(each: Forward) -> dict[str, Any]:
    return {"protocol": each.protocol, "guestPort": each.guest, "hostPort": each.host}


class CopyState(StrEnum):
    """How an image stands at one hypervisor."""

    IMPORTING = "Importing"
    READY = "Ready"
    FAILED = "Failed"


class CachedImage(ImageFacts):
    """An image's facts as people read them: camelCase."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, from_attributes=True
    )


class Copy(Schema):
    """An image at one hypervisor."""

    state: CopyState = CopyState.IMPORTING
    reason: str = ""
    message: str = ""
    facts: CachedImage | None = None


class ImageStatus(Schema):
    """An Image's status: its copies by hypervisor."""

    printable_status: str = ""
    copies: dict[str, Copy] = Field(default_factory=dict)


def image_status(copies: dict[str, Copy], *, deleting: bool) -> dict[str, Any]:
    """Return an Image's status document; the one word is that of its best copy."""
    states = {copy.state for copy in copies.values()}
    best = next((state for state in (CopyState.READY, CopyState.IMPORTING, CopyState.FAILED) if state in states), None)
    word = best.value if best else "Idle"
    return {
        "printableStatus": "Terminating" if deleting else word,
        "copies": {name: copy.model_dump(by_alias=True, mode="json") for name, copy in copies.items()},
    }


def hypervisor_status(
    facts: HypervisorFacts | None, hold: Hold | None, orphans: tuple[Orphan, ...] = ()
) -> dict[str, Any]:
    """Return a Hypervisor's status document. Orphans do not make it less ready: somebody must decide about them."""
    if hold:
        reason, message = hold.reason, hold.message
    elif facts is None:
        reason, message = "Connecting", "waiting for its worker"
    elif orphans:
        reason, message = "OrphanedDomains", f"domains that belong to no VM: {len(orphans)}; see vmflow orphans"
    else:
        reason, message = "Watching", "guests are watched"
    status: dict[str, Any] = {
        "printableStatus": "Ready" if facts and not hold else "NotReady",
        "reason": reason,
        "message": message,
    }
    if orphans:
        status["orphans"] = [each.model_dump(mode="json") for each in orphans]
    if facts:
        status["facts"] = {
            "uuid": facts.uuid,
            "driver": facts.driver,
            "version": facts.version,
            "accelerator": facts.accelerator,
            "acceleratorReason": facts.accelerator_reason,
            "cpus": facts.cpus,
            "memory": format_bytes(facts.memory),
        }
    return status


def zone_status(ledger: Ledger) -> dict[str, Any]:
    """Return a zone's status document: what each hypervisor has and has free, how many VMs are placed and wait."""
    free = offers(ledger)
    return {
        "hypervisors": {
            name: {
                "ready": member.ready,
                "cpus": member.capacity.cpus,
                "memory": format_bytes(member.capacity.memory),
                "freeCpus": free[name].cpus if name in free else 0,
                "freeMemory": format_bytes(free[name].memory if name in free else 0),
            }
            for name, member in ledger.members.items()
        },
        "placed": len(ledger.placed),
        "waiting": len(ledger.waiting),
    }


def namespace_status(left: Mapping[str, int] | None) -> dict[str, Any]:
    """Return the status of a namespace that is being deleted: how many objects of each kind are left, if that is known.

    Types, reasons and words are those of Kubernetes' namespace controller.
    """
    kind, state = "NamespaceContentRemaining", "True"
    if left is None:
        kind, reason = "NamespaceDeletionContentFailure", "ContentDeletionFailed"
        message = "what is left in it is not known yet"
    elif left:
        parts = [f"{each} has {count} resource instances" for each, count in sorted(left.items())]
        reason, message = "SomeResourcesRemain", f"Some resources are remaining: {', '.join(parts)}"
    else:
        state, reason, message = "False", "ContentRemoved", "All content successfully removed"
    return {
        "phase": "Terminating",
        "conditions": [{"type": kind, "status": state, "reason": reason, "message": message}],
    }
