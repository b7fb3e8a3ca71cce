"""The registry of kinds: one row each. Adding a kind is adding a module and a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from manifests.base import GROUP, InvalidManifestError, Manifest, cause
from manifests.contract import LEDGER_QUEUE, LIFECYCLE_QUEUE, WorkflowType, workflow_id
from manifests.fleet import Hypervisor, Zone
from manifests.image import Image
from manifests.virtual_server import VirtualServer


@dataclass(frozen=True)
class Kind:
    """One kind: how it is written, and which workflow lives it."""

    api_version: str
    kind: str
    plural: str
    short: tuple[str, ...]
    namespaced: bool
    model: type[Manifest]
    workflow: WorkflowType
    queue: str

    @property
    def names(self) -> set[str]:
        """Every word people may use for it."""
        return {self.kind.lower(), self.plural, *self.short}


KINDS: tuple[Kind, ...] = (
    Kind(
        "tensorstack.dev/v1beta1",
        "VirtualServer",
        "virtualservers",
        ("vs", "vm", "vms"),
        namespaced=True,
        model=VirtualServer,
        workflow=WorkflowType.VIRTUAL_MACHINE,
        queue=LIFECYCLE_QUEUE,
    ),
    Kind(
        f"{GROUP}/v1alpha1",
        "Image",
        "images",
        ("img",),
        namespaced=True,
        model=Image,
        workflow=WorkflowType.IMAGE,
        queue=LIFECYCLE_QUEUE,
    ),
    Kind(
        f"{GROUP}/v1alpha1",
        "Hypervisor",
        "hypervisors",
        ("hv",),
        namespaced=False,
        model=Hypervisor,
        workflow=WorkflowType.HYPERVISOR,
        queue=LIFECYCLE_QUEUE,
    ),
    Kind(
        f"{GROUP}/v1alpha1",
        "Zone",
        "zones",
        (),
        namespaced=False,
        model=Zone,
        workflow=WorkflowType.ZONE,
        queue=LEDGER_QUEUE,
    ),
)


def kind_called(word: str) -> Kind:
    """Return the kind people mean by a word such as `vs` or `zones`; a KeyError lists the words there are."""
    for kind in KINDS:
        if word.lower() in kind.names:
            return kind
    known = ", ".join(sorted(kind.plural for kind in KINDS))
    raise KeyError(f"there is no kind {word!r}; there are {known}")


def kind_of(document: Mapping[str, Any]) -> Kind:
    """Return the kind a document says it is; InvalidManifestError when there is none."""
    said = (document.get("apiVersion"), document.get("kind"))
    for kind in KINDS:
        if said == (kind.api_version, kind.kind):
            return kind
    known = ", ".join(f"{kind.kind} of {kind.api_version}" for kind in KINDS)
    raise InvalidManifestError([("kind", f"no kind {said[1]!r} of {said[0]!r}; there are {known}")])


def parse(document: Mapping[str, Any]) -> Manifest:
    """Return the manifest a document holds; InvalidManifestError names every field that is wrong."""
    kind = kind_of(document)
    try:
        return kind.model.model_validate(document, by_name=False)
    except ValidationError as error:
        raise InvalidManifestError(cause(each, document) for each in error.errors()) from None


def id_of(manifest: Manifest) -> str:
    """Return the id of the workflow that lives a manifest."""
    return workflow_id(manifest.kind, manifest.metadata.name, manifest.namespace)
