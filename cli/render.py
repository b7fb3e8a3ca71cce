"""Objects as people read them: tables, JSON, YAML, and the long form."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import yaml

from manifests.registry import Kind
from runtime.objects import Document

Cell = Callable[[Document], str]


class Format(StrEnum):
    """Output formats, named as kubectl names them."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def dig(document: Document, *path: str) -> Any:  # noqa: ANN401 - JSON
    """Return a nested value, or an empty string when some part of the path is missing."""
    value: Any = document
    for part in path:
        value = value.get(part, "") if isinstance(value, dict) else ""
    return value


def reference(document: Document) -> str:
    """Return an object's name as commands print and accept it: `virtualserver/web`."""
    return f"{document['kind'].lower()}/{document['metadata']['name']}"


def age(document: Document) -> str:
    """Return how old an object is, in kubectl's short form."""
    created = dig(document, "metadata", "creationTimestamp")
    if not created:
        return ""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{max(seconds, 0)}s"


def address(document: Document) -> str:
    """Return the guest's first address."""
    addresses = dig(document, "status", "guest", "addresses")
    return addresses[0] if addresses else ""


def _text(*path: str) -> Cell:
    return lambda document: str(dig(document, *path))


def _condition(kind: str) -> Cell:
    def cell(document: Document) -> str:
        found = [each for each in dig(document, "status", "conditions") or [] if each["type"] == kind]
        return found[0]["status"] if found else ""

    return cell


def _asked(document: Document) -> str:
    """Return the last operation and who asked for it."""
    operation, by = (
        dig(document, "status", "lastOperation", "operation"),
        dig(document, "status", "lastOperation", "by"),
    )
    return f"{operation} by {by}" if by else str(operation)


def _roles(document: Document) -> str:
    """Return what an account may do: `editor in team-a, viewer in *`."""
    return ", ".join(f"{each['role']} in {each['namespace']}" for each in dig(document, "spec", "roles") or [])


_STATUS = _text("status", "printableStatus")

COLUMNS: dict[str, tuple[tuple[str, Cell], ...]] = {
    "VirtualServer": (
        ("STATUS", _STATUS),
        ("READY", _condition("Ready")),
        ("IP", address),
        ("HYPERVISOR", _text("status", "placement", "hypervisor")),
        ("AGE", age),
    ),
    "Image": (("STATUS", _STATUS), ("URL", _text("spec", "source", "http", "url"))),
    "Hypervisor": (
        ("STATUS", _STATUS),
        ("ZONE", _text("spec", "zone")),
        ("DRIVER", _text("status", "facts", "driver")),
        ("ACCELERATOR", _text("status", "facts", "accelerator")),
    ),
    "Zone": (("PLACED", _text("status", "placed")), ("WAITING", _text("status", "waiting"))),
    "Account": (("ROLES", _roles), ("AGE", age)),
    "Namespace": (("STATUS", _text("status", "phase")), ("AGE", age)),
    "Secret": (("TYPE", _text("type")), ("AGE", age)),
    "PersistentVolumeClaim": (("STATUS", _text("status", "phase")), ("AGE", age)),
    "StorageClass": (("PROVISIONER", _text("provisioner")), ("AGE", age)),
}
"""Columns of each kind's table, between the name and what `wide` adds."""

_PLAIN = (("AGE", age),)

WIDE: dict[str, tuple[tuple[str, Cell], ...]] = {
    "VirtualServer": (
        ("STRATEGY", _text("status", "runStrategy")),
        ("CPUS", _text("status", "resources", "cpus")),
        ("MEMORY", _text("status", "resources", "memory")),
        ("EXITS", _text("status", "exits")),
        ("ASKED", _asked),
        ("DOMAIN", _text("status", "vm", "name")),
        ("MESSAGE", _text("status", "message")),
    ),
    "Hypervisor": (("MESSAGE", _text("status", "facts", "acceleratorReason")),),
}


def table(kind: Kind, documents: list[Document], *, wide: bool = False, namespaces: bool = False) -> str:
    """Return objects as kubectl would print them: no frame, columns in capitals, never folded."""
    columns = [
        ("NAME", _text("metadata", "name")),
        *COLUMNS.get(kind.kind, (("AGE", age),)),
        *(WIDE.get(kind.kind, ()) if wide else ()),
    ]
    if namespaces and kind.namespaced:
        columns.insert(0, ("NAMESPACE", _text("metadata", "namespace")))
    return grid([[name for name, _ in columns], *([cell(each) for _, cell in columns] for each in documents)])


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Return rows with their columns aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join("   ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def text(documents: list[Document], form: Format, *, single: bool) -> str:
    """Return objects as JSON or YAML; several are a Kubernetes List. Who set which field is left out, as by kubectl."""
    documents = [_without_managers(each) for each in documents]
    body: Document = documents[0] if single else {"apiVersion": "v1", "kind": "List", "items": documents}
    if form is Format.JSON:
        return json.dumps(body, indent=2)
    return yaml.safe_dump(body, sort_keys=False).rstrip("\n")


def _without_managers(document: Document) -> Document:
    metadata = {name: value for name, value in document.get("metadata", {}).items() if name != "managedFields"}
    return {**document, "metadata": metadata}


def description(document: Document) -> str:
    """Return one object for people: everything, outermost names first, in the manner of `kubectl describe`."""
    return yaml.safe_dump(
        {
            "Name": dig(document, "metadata", "name"),
            "Namespace": dig(document, "metadata", "namespace"),
            "Kind": f"{document['kind']} ({document['apiVersion']})",
            "UID": dig(document, "metadata", "uid"),
            "Generation": dig(document, "metadata", "generation"),
            "Created": dig(document, "metadata", "creationTimestamp"),
            "Spec": document.get("spec", {}),
            "Status": document.get("status", {}),
        },
        sort_keys=False,
    ).rstrip("\n")
