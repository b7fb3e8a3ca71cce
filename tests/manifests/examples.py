"""Manifests to begin a test with, and what is said of those that cannot be accepted."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from manifests.base import InvalidManifestError
from manifests.registry import parse

Document = dict[str, Any]

URL = "https://images.example/debian.qcow2"


def virtual_server() -> Document:
    """Return the least a VM can be."""
    return {
        "apiVersion": "tensorstack.dev/v1beta1",
        "kind": "VirtualServer",
        "metadata": {"name": "web"},
        "spec": {
            "resources": {"memory": "1Gi"},
            "storage": {"root": {"pvc": {"size": "4Gi"}, "source": {"http": {"url": URL}}}},
        },
    }


def hypervisor(**spec: object) -> Document:
    """Return a hypervisor of zone z1 with the given sections."""
    return {
        "apiVersion": "vmflow.dev/v1alpha1",
        "kind": "Hypervisor",
        "metadata": {"name": "h1"},
        "spec": {"zone": "z1", **spec},
    }


def at(document: Mapping[str, Any], path: str, value: object) -> Document:
    """Return a copy of a document with one value set: `spec.network.tcp`. What is missing on the way is made."""
    changed = deepcopy(dict(document))
    *way, last = path.split(".")
    place: Document = changed
    for part in way:
        place = place.setdefault(part, {})
    place[last] = value
    return changed


def causes(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with a document: messages by field; none for one that is accepted."""
    try:
        parse(document)
    except InvalidManifestError as refusal:
        return dict(refusal.causes)
    return {}


def refused(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with a document that cannot be accepted."""
    found = causes(document)
    assert found, "it was accepted"
    return found
