"""Which columns each kind has. See `api.columns` for what a column is."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from api.columns import AGE, NAME, NONE, UNKNOWN, UNSET, Column, Document, at, count, derived, joined, plain, since


def _condition(document: Document, kind: str) -> str:
    conditions = at(document, "status.conditions") or ()
    return next((str(each.get("status")) for each in conditions if each.get("type") == kind), NONE)


def _image(document: Document) -> str:
    """Return the last part of the image's URL: what people call it."""
    url = at(document, "spec.storage.root.source.http.url") or at(document, "spec.source.http.url") or ""
    return urlsplit(str(url)).path.rpartition("/")[2] or NONE


def _copies(document: Document) -> Mapping[str, Any]:
    return at(document, "status.copies") or {}


def _image_size(document: Document) -> str:
    facts = (at(copy, "facts.virtualSize") for copy in _copies(document).values())
    return next((_size(each) for each in facts if each), NONE)


_UNITS = ("", "Ki", "Mi", "Gi", "Ti", "Pi")


def _size(value: object) -> str:
    """Return bytes as a quantity people read, with one decimal at most."""
    if not isinstance(value, int):
        return str(value)
    power = min(max(value.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    return f"{value / 1024**power:.1f}".removesuffix(".0") + _UNITS[power]


def _ready(members: Mapping[str, Any], word: str, value: object) -> str:
    return f"{sum(each.get(word) == value for each in members.values())}/{len(members)}"


def _driver(document: Document) -> str:
    spec = at(document, "spec") or {}
    return next((name for name in ("libvirt", "vsphere", "simulator") if spec.get(name)), NONE)


def _members(document: Document) -> Mapping[str, Any]:
    return at(document, "status.hypervisors") or {}


def _ports(document: Document) -> str:
    told = []
    for port in at(document, "spec.ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        told.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(told) or NONE


def _external(document: Document) -> str:
    """Return under which addresses from outside a service is reached."""
    addresses = list(at(document, "spec.externalIPs") or ())
    kind = at(document, "spec.type")
    if kind == "ExternalName":
        return str(at(document, "spec.externalName") or NONE)
    if kind == "LoadBalancer":
        ingress = at(document, "status.loadBalancer.ingress") or ()
        addresses = [each.get("ip") or each.get("hostname", "") for each in ingress] + addresses
        return joined(addresses, missing="<pending>")
    return joined(addresses)


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _modes(document: Document) -> str:
    bound = at(document, "status.accessModes") or ()
    return ",".join(_MODES.get(each, str(each)) for each in bound)


def _storage_class_name(document: Document) -> str:
    default = at(document, "metadata.annotations") or {}
    name = str(at(document, "metadata.name"))
    return f"{name} (default)" if default.get("storageclass.kubernetes.io/is-default-class") == "true" else name


def _quota(document: Document, *, limits: bool) -> str:
    hard, used = at(document, "status.hard") or at(document, "spec.hard") or {}, at(document, "status.used") or {}
    names = [name for name in sorted(hard) if name.startswith("limits.") is limits]
    return ", ".join(f"{name}: {used.get(name, 0)}/{hard[name]}" for name in names)


def _about(document: Document) -> str:
    """Return what an Event is about; the two groups that have Events call it differently."""
    object_ = at(document, "involvedObject") or at(document, "regarding")
    kind, name = at(object_, "kind"), at(object_, "name")
    return f"{str(kind or '').lower()}/{name}" if name else NONE


def _data(document: Document) -> int:
    return len(at(document, "data") or {}) + len(at(document, "binaryData") or {})


def _roles(document: Document) -> str:
    return joined(f"{each.get('role')}@{each.get('namespace')}" for each in at(document, "spec.roles") or ())


_STATUS = plain("Status", "status.printableStatus", "How the object is, in one word.", missing=UNKNOWN)
_PHASE = plain("Status", "status.phase", "How the object is, in one word.", missing="")
_REASON = plain("Reason", "status.reason", "Why it is so, or what it is doing.", wide=True)

COLUMNS: Mapping[tuple[str, str], tuple[Column, ...]] = {
    ("tensorstack.dev", "VirtualServer"): (
        NAME,
        _STATUS,
        derived("Ready", lambda each: _condition(each, "Ready"), "Whether the guest's operating system is up."),
        plain("Hypervisor", "status.placement.hypervisor", "Where the machine is placed."),
        derived("IP", lambda each: (at(each, "status.guest.addresses") or [NONE])[0], "The guest's first address."),
        AGE,
        plain("RunStrategy", "status.runStrategy", "What keeps the machine running or stopped.", wide=True),
        plain("Zone", "status.placement.zone", "The zone the machine is placed in.", wide=True),
        derived("Image", _image, "The image the root disk was filled from.", wide=True),
        plain("OS", "status.guest.os", "The guest's operating system, as its agent tells.", wide=True),
        _REASON,
    ),
    ("vmflow.dev", "Image"): (
        NAME,
        _STATUS,
        derived("Size", _image_size, "The size of the disk it holds."),
        derived("Copies", lambda each: _ready(_copies(each), "state", "Ready"), "Hypervisors that have it, of all."),
        AGE,
        plain("URL", "spec.source.http.url", "Where it comes from.", wide=True),
    ),
    ("vmflow.dev", "Hypervisor"): (
        NAME,
        _STATUS,
        plain("Zone", "spec.zone", "The zone it belongs to."),
        derived("Driver", _driver, "How it is told what to do."),
        plain("CPUs", "status.facts.cpus", "How many CPUs it has."),
        plain("Memory", "status.facts.memory", "How much memory it has."),
        AGE,
        plain("Accelerator", "status.facts.accelerator", "What runs its guests' instructions.", wide=True),
        plain("Version", "status.facts.version", "The hypervisor's version.", wide=True),
        _REASON,
    ),
    ("vmflow.dev", "Zone"): (
        NAME,
        derived(
            "Hypervisors", lambda each: _ready(_members(each), "ready", value=True), "Those that are ready, of all."
        ),
        plain("Placed", "status.placed", "Machines that have room.", missing="0"),
        plain("Waiting", "status.waiting", "Machines that wait for room.", missing="0"),
        AGE,
    ),
    ("vmflow.dev", "Account"): (NAME, derived("Roles", _roles, "What it may do, and where."), AGE),
    ("", "Namespace"): (NAME, _PHASE, AGE),
    ("", "ConfigMap"): (NAME, count("Data", _data, "How many keys there are."), AGE),
    ("", "Secret"): (
        NAME,
        plain("Type", "type", "What it holds."),
        count("Data", lambda each: len(at(each, "data") or {}), "How many keys there are."),
        AGE,
    ),
    ("", "ServiceAccount"): (
        NAME,
        count("Secrets", lambda each: len(at(each, "secrets") or ()), "How many secrets belong to it."),
        AGE,
    ),
    ("", "PersistentVolumeClaim"): (
        NAME,
        _PHASE,
        plain("Volume", "spec.volumeName", "The volume that the claim is bound to.", missing=""),
        plain("Capacity", "status.capacity.storage", "How much it has.", missing=""),
        derived("Access Modes", _modes, "How the volume may be attached."),
        plain("StorageClass", "spec.storageClassName", "The class of storage asked for.", missing=""),
        plain("VolumeAttributesClass", "spec.volumeAttributesClassName", "The class of performance.", missing=UNSET),
        AGE,
        plain("VolumeMode", "spec.volumeMode", "Whether the volume is a file system or a bare device.", wide=True),
    ),
    ("", "Service"): (
        NAME,
        plain("Type", "spec.type", "How it is reached."),
        plain("Cluster-IP", "spec.clusterIP", "Its address."),
        derived("External-IP", _external, "Its addresses from outside."),
        derived("Port(s)", _ports, "What it offers."),
        AGE,
        derived("Selector", lambda each: joined(at(each, "spec.selector")), "Labels of those who offer it.", wide=True),
    ),
    ("", "ResourceQuota"): (
        NAME,
        derived("Request", lambda each: _quota(each, limits=False), "What is asked for, of what may be."),
        derived("Limit", lambda each: _quota(each, limits=True), "What is possible at most, of what may be."),
        AGE,
    ),
    ("", "Event"): (
        since("Last Seen", "lastTimestamp", "How long ago it happened last."),
        plain("Type", "type", "Normal or Warning."),
        plain("Reason", "reason", "What happened, in one word."),
        derived("Object", _about, "What it happened to."),
        plain("Subobject", "involvedObject.fieldPath", "What part of it.", missing="", wide=True),
        plain("Source", "source.component", "Who says so.", missing="", wide=True),
        plain("Message", "message", "What happened."),
        since("First Seen", "firstTimestamp", "How long ago it happened first.", wide=True),
        plain("Count", "count", "How often it happened.", missing="1", wide=True),
        Column("Name", NAME.read, NAME.description, format="name", wide=True),
    ),
    ("events.k8s.io", "Event"): (
        since("Last Seen", "deprecatedLastTimestamp", "How long ago it happened last."),
        plain("Type", "type", "Normal or Warning."),
        plain("Reason", "reason", "What happened, in one word."),
        derived("Object", _about, "What it happened to."),
        plain("Message", "note", "What happened."),
        Column("Name", NAME.read, NAME.description, format="name", wide=True),
    ),
    ("storage.k8s.io", "StorageClass"): (
        Column("Name", lambda each, _now: _storage_class_name(each), NAME.description, format="name"),
        plain("Provisioner", "provisioner", "Who provides it."),
        plain("ReclaimPolicy", "reclaimPolicy", "What becomes of a volume whose claim is gone.", missing="Delete"),
        plain("VolumeBindingMode", "volumeBindingMode", "When a volume is provided.", missing=UNSET),
        derived(
            "AllowVolumeExpansion", lambda each: bool(at(each, "allowVolumeExpansion")), "Whether claims may grow."
        ),
        AGE,
    ),
}
"""Columns by group and kind."""


def columns_of(group: str, kind: str) -> tuple[Column, ...]:
    """Return a kind's columns."""
    return COLUMNS.get((group, kind), (NAME, AGE))
