"""Lists of Kubernetes' own kinds that are merged element by element, and maps that are replaced whole.

Source: the `x-kubernetes-*` extensions of Kubernetes' OpenAPI. A kind of the project says the same on its model, by
`json_schema_extra`; every list that nothing is said about is replaced whole (atomic).
"""

from typing import Any

from api.meta import merged_by

_CORE = "io.k8s.api.core.v1"

_PORTS: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["port", "protocol"],
    "x-kubernetes-patch-strategy": "merge",
    "x-kubernetes-patch-merge-key": "port",
}
_ATOMIC_MAP: dict[str, Any] = {"x-kubernetes-map-type": "atomic"}

_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}

LISTS: dict[tuple[str, str, str], dict[str, Any]] = {
    (_CORE, "ServiceSpec", "ports"): _PORTS,
    (_CORE, "ServiceSpec", "selector"): _ATOMIC_MAP,
    (_CORE, "ServiceAccount", "secrets"): merged_by("name"),
    (_CORE, "ServiceAccount", "imagePullSecrets"): _ATOMIC,
    (_CORE, "PersistentVolumeClaimSpec", "selector"): _ATOMIC_MAP,
    (_CORE, "PersistentVolumeClaimSpec", "dataSource"): _ATOMIC_MAP,
    (_CORE, "ResourceQuotaSpec", "scopeSelector"): _ATOMIC_MAP,
}
"""Extensions by package, class and field."""
