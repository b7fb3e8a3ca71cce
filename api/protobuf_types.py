"""Kubernetes' own kinds as its protobuf messages number their fields. Pure data.

Source: the generated.proto files of k8s.io/api and k8s.io/apimachinery 1.32. Only what this gateway's kinds have is
here; a field with another number is skipped, as protobuf has it. How a type is written:

    str, int, bool, bytes         a scalar that Go's JSON leaves out when it is empty
    optional(bool)                one that is written whenever it is there
    [T]                           repeated
    {"*": T}                      a map of texts to T
    {1: ("name", T), ...}         a message
    TIME, QUANTITY, INT_OR_STRING, FIELDS   messages that JSON writes as a scalar, or as JSON of its own
"""

from enum import Enum
from typing import Any, NamedTuple

Message = dict[int, tuple[str, Any]]


class Special(Enum):
    """Messages that are no objects in JSON."""

    TIME = "time"
    QUANTITY = "quantity"
    INT_OR_STRING = "int or string"
    FIELDS = "fields"


class Optional(NamedTuple):
    """A scalar behind a pointer: written also when it is empty."""

    type: Any


def optional(type_: Any) -> Optional:  # noqa: ANN401 - a type of this language
    """Return a type that is written whenever it is there."""
    return Optional(type_)


def _fields(names: str, **types: Any) -> Message:  # noqa: ANN401 - types of this language
    """Return a message: `1 name 3 namespace` numbers its fields, which are texts unless `types` says otherwise."""
    words = names.split()
    return {int(number): (name, types.get(name, str)) for number, name in zip(words[::2], words[1::2], strict=True)}


_TEXTS = {"*": str}
_QUANTITIES = {"*": Special.QUANTITY}

_OWNER = _fields(
    "1 kind 3 name 4 uid 5 apiVersion 6 controller 7 blockOwnerDeletion",
    controller=optional(bool),
    blockOwnerDeletion=optional(bool),
)
_MANAGED = _fields(
    "1 manager 2 operation 3 apiVersion 4 time 6 fieldsType 7 fieldsV1 8 subresource",
    time=Special.TIME,
    fieldsV1=Special.FIELDS,
)
META = _fields(
    "1 name 2 generateName 3 namespace 4 selfLink 5 uid 6 resourceVersion 7 generation 8 creationTimestamp "
    "9 deletionTimestamp 10 deletionGracePeriodSeconds 11 labels 12 annotations 13 ownerReferences 14 finalizers "
    "17 managedFields",
    generation=int,
    creationTimestamp=Special.TIME,
    deletionTimestamp=Special.TIME,
    deletionGracePeriodSeconds=optional(int),
    labels=_TEXTS,
    annotations=_TEXTS,
    ownerReferences=[_OWNER],
    finalizers=[str],
    managedFields=[_MANAGED],
)

_REFERENCE = _fields("1 kind 2 namespace 3 name 4 uid 5 apiVersion 6 resourceVersion 7 fieldPath")
_SELECTOR = _fields(
    "1 matchLabels 2 matchExpressions",
    matchLabels=_TEXTS,
    matchExpressions=[_fields("1 key 2 operator 3 values", values=[str])],
)
_PORT = _fields(
    "1 name 2 protocol 3 port 4 targetPort 5 nodePort 6 appProtocol",
    port=int,
    targetPort=Special.INT_OR_STRING,
    nodePort=int,
    appProtocol=optional(str),
)
_AFFINITY = _fields("1 clientIP", clientIP=_fields("1 timeoutSeconds", timeoutSeconds=optional(int)))
_SERVICE = _fields(
    "1 ports 2 selector 3 clusterIP 4 type 5 externalIPs 7 sessionAffinity 8 loadBalancerIP "
    "9 loadBalancerSourceRanges 10 externalName 11 externalTrafficPolicy 12 healthCheckNodePort "
    "13 publishNotReadyAddresses 14 sessionAffinityConfig 17 ipFamilyPolicy 18 clusterIPs 19 ipFamilies "
    "20 allocateLoadBalancerNodePorts 21 loadBalancerClass 22 internalTrafficPolicy 23 trafficDistribution",
    ports=[_PORT],
    selector=_TEXTS,
    externalIPs=[str],
    loadBalancerSourceRanges=[str],
    healthCheckNodePort=int,
    publishNotReadyAddresses=bool,
    sessionAffinityConfig=_AFFINITY,
    clusterIPs=[str],
    ipFamilies=[str],
    allocateLoadBalancerNodePorts=optional(bool),
)
_QUOTA = _fields(
    "1 hard 2 scopes 3 scopeSelector",
    hard=_QUANTITIES,
    scopes=[str],
    scopeSelector=_fields(
        "1 matchExpressions", matchExpressions=[_fields("1 scopeName 2 operator 3 values", values=[str])]
    ),
)
_CLAIM = _fields(
    "1 accessModes 2 resources 3 volumeName 4 selector 5 storageClassName 6 volumeMode 7 dataSource 8 dataSourceRef "
    "9 volumeAttributesClassName",
    accessModes=[str],
    resources=_fields("1 limits 2 requests", limits=_QUANTITIES, requests=_QUANTITIES),
    selector=_SELECTOR,
    storageClassName=optional(str),
    dataSource=_fields("1 apiGroup 2 kind 3 name"),
    dataSourceRef=_fields("1 apiGroup 2 kind 3 name 4 namespace"),
)
_TOPOLOGY = _fields("1 matchLabelExpressions", matchLabelExpressions=[_fields("1 key 2 values", values=[str])])
_ASKED = _fields(
    "1 resourceAttributes 2 nonResourceAttributes",
    resourceAttributes=_fields("1 namespace 2 verb 3 group 4 version 5 resource 6 subresource 7 name"),
    nonResourceAttributes=_fields("1 path 2 verb"),
)

DELETE_OPTIONS = _fields(
    "1 gracePeriodSeconds 2 preconditions 3 orphanDependents 4 propagationPolicy 5 dryRun",
    gracePeriodSeconds=optional(int),
    preconditions=_fields("1 uid 2 resourceVersion"),
    orphanDependents=optional(bool),
    dryRun=[str],
)


def _kind(names: str = "", **types: Any) -> Message:  # noqa: ANN401 - types of this language
    return _fields(f"1 metadata {names}", metadata=META, **types)


KINDS: dict[tuple[str, str], Message] = {
    ("v1", "Namespace"): _kind("2 spec", spec=_fields("1 finalizers", finalizers=[str])),
    ("v1", "ConfigMap"): _kind(
        "2 data 3 binaryData 4 immutable", data=_TEXTS, binaryData={"*": bytes}, immutable=optional(bool)
    ),
    ("v1", "Secret"): _kind(
        "2 data 3 type 4 stringData 5 immutable", data={"*": bytes}, stringData=_TEXTS, immutable=optional(bool)
    ),
    ("v1", "ServiceAccount"): _kind(
        "2 secrets 3 imagePullSecrets 4 automountServiceAccountToken",
        secrets=[_REFERENCE],
        imagePullSecrets=[_fields("1 name")],
        automountServiceAccountToken=optional(bool),
    ),
    ("v1", "Service"): _kind("2 spec", spec=_SERVICE),
    ("v1", "ResourceQuota"): _kind("2 spec", spec=_QUOTA),
    ("v1", "PersistentVolumeClaim"): _kind("2 spec", spec=_CLAIM),
    ("storage.k8s.io/v1", "StorageClass"): _kind(
        "2 provisioner 3 parameters 4 reclaimPolicy 5 mountOptions 6 allowVolumeExpansion 7 volumeBindingMode "
        "8 allowedTopologies",
        parameters=_TEXTS,
        mountOptions=[str],
        allowVolumeExpansion=optional(bool),
        allowedTopologies=[_TOPOLOGY],
    ),
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview"): _kind("2 spec", spec=_ASKED),
    ("authorization.k8s.io/v1", "SelfSubjectRulesReview"): _kind("2 spec", spec=_fields("1 namespace")),
    ("authentication.k8s.io/v1", "SelfSubjectReview"): _kind(),
}
"""Messages by apiVersion and kind; a status is never read."""
