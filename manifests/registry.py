"""The registry of kinds: one row each. Adding a kind is adding a module and a row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from manifests.account import Account
from manifests.base import DEFAULT_NAMESPACE, GROUP, InvalidManifestError, Manifest, cause
from manifests.configuration import ConfigMap, Secret
from manifests.contract import LEDGER_QUEUE, LIFECYCLE_QUEUE, WorkflowType, workflow_id
from manifests.core import Namespace, PersistentVolumeClaim, ResourceQuota, ServiceAccount
from manifests.fleet import Hypervisor, Zone
from manifests.image import Image
from manifests.service import Service
from manifests.storage_class import StorageClass
from manifests.virtual_server import VirtualServer

PROJECT = f"{GROUP}/v1alpha1"
"""Group and version of the project's own kinds."""

ANSWER_LIMIT = 96 * 1024 * 1024
"""Bytes that one answer of the Temporal server may have, safely below the 128 MiB at which its clients give up."""

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
"""What may be asked for of every kind, in Kubernetes' words. Also of kinds that are not edited: kubectl creates and
applies only what has a patch, and an edit that changes nothing is one."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind: how it is written, and which workflow lives it.

    short:      words people use instead of the plural; categories: groups of kinds it is listed with (`all`).
    editable:   its workflow takes the update `replace`.
    lasting:    names of objects that are never deleted.
    limit:      the most bytes one of them may have as JSON.
    """

    api_version: str
    kind: str
    plural: str
    model: type[Manifest]
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    workflow: WorkflowType = WorkflowType.DECLARATION
    queue: str = LIFECYCLE_QUEUE
    editable: bool = True
    lasting: tuple[str, ...] = ()
    limit: int = 512 * 1024

    @property
    def names(self) -> set[str]:
        """Every word people may use for it."""
        return {self.singular, self.plural, *self.short}

    @property
    def group(self) -> str:
        """Its API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """Its version within the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def singular(self) -> str:
        """What people call one of them."""
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        """What a list of them says it is."""
        return f"{self.kind}List"

    @property
    def page(self) -> int:
        """How many are asked for at once: the largest of them must fit an answer."""
        return ANSWER_LIMIT // self.limit


_BULKY = 1536 * 1024
"""Bytes of what may hold 1 MiB of data beside everything else. A workflow task carries an edit twice, as the request
and as the memo, and may have 4 MiB in all."""

KINDS: tuple[Kind, ...] = (
    Kind(
        api_version="tensorstack.dev/v1beta1",
        kind="VirtualServer",
        plural="virtualservers",
        model=VirtualServer,
        short=("vs", "vm", "vms"),
        categories=("all",),
        workflow=WorkflowType.VIRTUAL_MACHINE,
    ),
    Kind(
        api_version=PROJECT,
        kind="Image",
        plural="images",
        model=Image,
        short=("img",),
        workflow=WorkflowType.IMAGE,
        editable=False,
    ),
    Kind(
        api_version=PROJECT,
        kind="Hypervisor",
        plural="hypervisors",
        model=Hypervisor,
        short=("hv",),
        namespaced=False,
        workflow=WorkflowType.HYPERVISOR,
        editable=False,
    ),
    Kind(
        api_version=PROJECT,
        kind="Zone",
        plural="zones",
        model=Zone,
        namespaced=False,
        workflow=WorkflowType.ZONE,
        queue=LEDGER_QUEUE,
        editable=False,
    ),
    Kind(api_version=PROJECT, kind="Account", plural="accounts", model=Account, namespaced=False),
    Kind(
        api_version="v1",
        kind="Namespace",
        plural="namespaces",
        model=Namespace,
        short=("ns",),
        namespaced=False,
        workflow=WorkflowType.NAMESPACE,
        lasting=(DEFAULT_NAMESPACE,),
    ),
    Kind(api_version="v1", kind="ConfigMap", plural="configmaps", model=ConfigMap, short=("cm",), limit=_BULKY),
    Kind(api_version="v1", kind="Secret", plural="secrets", model=Secret, limit=_BULKY),
    Kind(api_version="v1", kind="ServiceAccount", plural="serviceaccounts", model=ServiceAccount, short=("sa",)),
    Kind(
        api_version="v1",
        kind="PersistentVolumeClaim",
        plural="persistentvolumeclaims",
        model=PersistentVolumeClaim,
        short=("pvc",),
    ),
    Kind(
        api_version="v1",
        kind="Service",
        plural="services",
        model=Service,
        short=("svc",),
        categories=("all",),
    ),
    Kind(api_version="v1", kind="ResourceQuota", plural="resourcequotas", model=ResourceQuota, short=("quota",)),
    Kind(
        api_version="storage.k8s.io/v1",
        kind="StorageClass",
        plural="storageclasses",
        model=StorageClass,
        short=("sc",),
        namespaced=False,
    ),
)
"""Every kind there is, in the order people are told of them."""


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


def size_of(document: Mapping[str, Any]) -> int:
    """Return how many bytes a document has as JSON; InvalidManifestError when it cannot be JSON."""
    try:
        return len(json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    except ValueError:
        raise InvalidManifestError([("", "half a character, or a number that is none: JSON cannot carry it")]) from None


def check_size(document: Mapping[str, Any]) -> None:
    """Raise InvalidManifestError when a document is larger than an object of its kind may be."""
    size, limit = size_of(document), kind_of(document).limit
    if size > limit:
        raise InvalidManifestError([("", f"{size} bytes with all its metadata; at most {limit} are possible")])


def id_of(manifest: Manifest) -> str:
    """Return the id of the workflow that lives a manifest."""
    return workflow_id(manifest.kind, manifest.metadata.name, manifest.namespace)
