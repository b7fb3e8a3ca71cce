"""Core `v1`: the kinds of Kubernetes that teams declare beside their VMs. Declared, validated, stored; without a life.

Fields and rules are those of Kubernetes 1.32 (https://kubernetes.io/docs/reference/kubernetes-api/); what lies deeper
than vmflow looks is kept as written. ConfigMap, Secret and Service have modules of their own.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from domain.quantity import parse_amount
from manifests.base import (
    DEFAULT_NAMESPACE,
    InvalidManifestError,
    LabelKey,
    Line,
    Manifest,
    NamespacedMeta,
    NamespaceName,
    ObjectMeta,
    Schema,
    check_kept,
)

CoreVersion = Literal["v1"]

Free = dict[str, Any]
"""An object whose fields vmflow keeps as they are written."""


def _amount(value: object) -> object:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        parse_amount(value)
        return str(value)
    return value


def _some(quantity: str) -> str:
    if not parse_amount(quantity):
        raise ValueError("must be greater than zero")
    return quantity


Amount = Annotated[str, BeforeValidator(_amount)]


class NamespacesOwnMeta(ObjectMeta):
    """Metadata of a namespace: its name is one label of a DNS name."""

    name: NamespaceName


class NamespaceSpec(Schema):
    """What a namespace is asked to be.

    finalizers: kept as written; a namespace is gone when nothing is left in it.
    """

    finalizers: list[Line] = Field(default_factory=list)


class Namespace(Manifest):
    """A namespace: objects are unique within it by name. Deleting it deletes everything in it.

    spec: what a namespace is asked to be.
    """

    api_version: CoreVersion
    kind: Literal["Namespace"]
    metadata: NamespacesOwnMeta
    spec: NamespaceSpec = NamespaceSpec()

    def standing(self) -> dict[str, Any]:
        """Return the status of a namespace that is not being deleted."""
        return {"phase": "Active"}


def default_namespace() -> dict[str, Any]:
    """Return the manifest of the namespace that is always there."""
    meta = NamespacesOwnMeta(name=DEFAULT_NAMESPACE)
    return Namespace(api_version="v1", kind="Namespace", metadata=meta).document()


class ServiceAccount(Manifest):
    """A name under which programs act.

    secrets: references to Secrets that its programs may use.
    imagePullSecrets: references to Secrets for pulling images.
    automountServiceAccountToken: whether its token is given to programs without asking.
    """

    api_version: CoreVersion
    kind: Literal["ServiceAccount"]
    metadata: NamespacedMeta
    secrets: list[Free] | None = None
    image_pull_secrets: list[Free] | None = None
    automount_service_account_token: Annotated[bool, Field(strict=True)] | None = None


class ClaimResources(Schema):
    """How much storage is asked for.

    requests: at least so much; `storage` in bytes, for example 8Gi.
    limits: at most so much.
    """

    requests: dict[Literal["storage"], Annotated[Amount, AfterValidator(_some)]]
    limits: dict[Literal["storage"], Amount] | None = None


AccessMode = Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]


class PersistentVolumeClaimSpec(Schema):
    """What storage is asked for. Nothing of it is changed later, but its size grows.

    accessModes: how the volume may be attached.
    resources: how much storage.
    storageClassName: the StorageClass that provides it; the default one where it says nothing.
    volumeMode: Filesystem, or Block for a bare device.
    volumeName: a volume that exists already.
    selector: labels of volumes to choose from.
    dataSource: what the volume is filled from.
    dataSourceRef: what the volume is filled from; any kind of object.
    volumeAttributesClassName: a class of performance.
    """

    access_modes: list[AccessMode] = Field(min_length=1)
    resources: ClaimResources
    storage_class_name: Line | None = None
    volume_mode: Literal["Filesystem", "Block"] = "Filesystem"
    volume_name: Line | None = None
    selector: Free | None = None
    data_source: Free | None = None
    data_source_ref: Free | None = None
    volume_attributes_class_name: Line | None = None

    @property
    def size(self) -> str:
        """The storage that is asked for."""
        return self.resources.requests["storage"]

    @model_validator(mode="after")
    def _has_size(self) -> Self:
        if "storage" not in self.resources.requests:
            raise ValueError("resources.requests.storage is required")
        return self


class PersistentVolumeClaim(Manifest):
    """A claim to storage.

    spec: what storage is asked for.
    """

    api_version: CoreVersion
    kind: Literal["PersistentVolumeClaim"]
    metadata: NamespacedMeta
    spec: PersistentVolumeClaimSpec

    def standing(self) -> dict[str, Any]:
        """Return the status of a claim: nothing provides volumes yet, and the status says so."""
        message = "the claim is recorded; volumes are not provided yet"
        waiting = {"type": "Bound", "status": "False", "reason": "NotProvisioned", "message": message}
        return {"phase": "Pending", "conditions": [waiting]}

    def check_edit(self, before: Self) -> None:
        """Refuse to change what a claim keeps, and to shrink it."""
        check_kept(
            ("spec", _but_size(before.spec), _but_size(self.spec)),
            why="spec is immutable after creation except resources.requests.storage",
        )
        if parse_amount(self.spec.size) < parse_amount(before.spec.size):
            field = "spec.resources.requests.storage"
            raise InvalidManifestError([(field, f"field can not be less than previous value {before.spec.size}")])


def _but_size(spec: PersistentVolumeClaimSpec) -> dict[str, Any]:
    return spec.model_dump(exclude={"resources": {"requests"}})


class ResourceQuotaSpec(Schema):
    """How much a namespace may use.

    hard: the most of each resource, by its name: `requests.storage`, `count/virtualservers.tensorstack.dev`, `pods`.
    scopes: to which objects it applies; all where it says nothing.
    scopeSelector: the same, by expressions.
    """

    hard: dict[LabelKey, Amount] = Field(default_factory=dict)
    scopes: list[Line] | None = None
    scope_selector: Free | None = None


class ResourceQuota(Manifest):
    """A limit to what a namespace may use.

    spec: how much.
    """

    api_version: CoreVersion
    kind: Literal["ResourceQuota"]
    metadata: NamespacedMeta
    spec: ResourceQuotaSpec = ResourceQuotaSpec()

    def check_edit(self, before: Self) -> None:
        """Refuse other scopes."""
        check_kept(("spec.scopes", before.spec.scopes, self.spec.scopes))
