"""What Kubernetes' `meta/v1` has and this gateway speaks, as models: OpenAPI describes it, shapes of patches follow it.

Source: the Kubernetes API reference (common definitions). What people write is checked by `manifests`, not by these.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

PACKAGE = "io.k8s.apimachinery.pkg.apis.meta.v1"
"""What the OpenAPI names of these types begin with."""

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def merged_by(key: str) -> dict[str, Any]:
    """Return the extensions of a list whose elements are told apart by one of their fields."""
    return {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": key,
    }


_SET: dict[str, Any] = {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}
_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


class Part(BaseModel):
    """A part of a document: camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)


class FieldsV1(BaseModel):
    """A set of fields, as a tree.

    Its keys are `f:<name>` for a field, `k:<keys>` for an element of a list told apart by keys, `v:<value>` for a
    member of a set, and `.` for the parent itself.
    """

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})


class ManagedFieldsEntry(Part):
    """Which fields one manager owns.

    manager: who it is, as it named itself.
    operation: Apply for server-side apply, Update for every other write.
    apiVersion: version of the kind the fields are named in.
    fieldsType: always FieldsV1.
    fieldsV1: the fields.
    subresource: the subresource the write went to; empty for the object itself.
    time: when the manager last changed what it owns.
    """

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    fields_type: str = ""
    fields_v1: FieldsV1 | None = None
    subresource: str = ""
    time: Time | None = None


class OwnerReference(Part):
    """An object that this one belongs to, in the same namespace or without one.

    apiVersion: group and version of the owner.
    kind: kind of the owner.
    name: name of the owner.
    uid: identity of the owner.
    controller: whether the owner manages this object.
    blockOwnerDeletion: whether the owner waits for this object before it goes.
    """

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Part):
    """What every object has besides its content.

    name: unique among the objects of its kind and namespace, for life.
    generateName: what a name begins with that the server completes; only where `name` is left out.
    namespace: where the object is, for kinds that have namespaces.
    labels: words to select objects by.
    annotations: words that say more about the object and select nothing.
    uid: identity of this object; another one of the same name has another. Set by the server.
    resourceVersion: changes with every change of the object; a write that carries an old one is refused.
    generation: counts the changes of what is wanted. Set by the server.
    creationTimestamp: when the object was created. Set by the server.
    deletionTimestamp: when the object was asked to go. Set by the server.
    deletionGracePeriodSeconds: seconds it is given to go. Set by the server.
    finalizers: who must agree before the object goes.
    ownerReferences: objects that this one belongs to.
    managedFields: who owns which field, for server-side apply. Kept by the server.
    selfLink: no longer used.
    """

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    uid: str = ""
    resource_version: str = ""
    generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    deletion_grace_period_seconds: Annotated[int, Field(json_schema_extra={"format": "int64"})] = 0
    finalizers: Annotated[list[str], Field(json_schema_extra=_SET)] = []
    owner_references: Annotated[list[OwnerReference], Field(json_schema_extra=merged_by("uid"))] = []
    managed_fields: Annotated[list[ManagedFieldsEntry], Field(json_schema_extra=_ATOMIC)] = []
    self_link: str = ""


class ListMeta(Part):
    """What every list has besides its items.

    resourceVersion: where a watch may go on from this list.
    continue: asks for the next part of a list that was asked for in parts; empty on the last.
    remainingItemCount: how many items come after this part.
    selfLink: no longer used.
    """

    resource_version: str = ""
    continue_: Annotated[str, Field(alias="continue")] = ""
    remaining_item_count: Annotated[int, Field(json_schema_extra={"format": "int64"})] = 0
    self_link: str = ""


class StatusCause(Part):
    """One thing that was wrong.

    reason: a word for programs.
    message: a sentence for people.
    field: path of the field at fault.
    """

    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(Part):
    """What the answer is about.

    name: name of the object.
    group: API group of the object.
    kind: kind or resource of the object.
    uid: identity of the object.
    causes: all that was wrong.
    retryAfterSeconds: when to try again.
    """

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: Annotated[list[StatusCause], Field(json_schema_extra=_ATOMIC)] = []
    retry_after_seconds: Annotated[int, Field(json_schema_extra={"format": "int32"})] = 0


class Status(Part):
    """An answer that is not an object: how a request ended.

    apiVersion: always v1.
    kind: always Status.
    metadata: always empty.
    status: Success or Failure.
    message: a sentence for people.
    reason: a word for programs; each belongs to one HTTP code.
    details: what the answer is about.
    code: the HTTP code.
    """

    api_version: str = ""
    kind: str = ""
    metadata: ListMeta | None = None
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails | None = None
    code: Annotated[int, Field(json_schema_extra={"format": "int32"})] = 0


class Preconditions(Part):
    """What must be so for a delete to happen.

    uid: the object's identity.
    resourceVersion: the object's resourceVersion.
    """

    uid: str | None = None
    resource_version: str | None = None


class DeleteOptions(Part):
    """How to delete.

    apiVersion: always v1.
    kind: always DeleteOptions.
    dryRun: `All` asks for the answer without the deed.
    gracePeriodSeconds: seconds the object is given to go.
    orphanDependents: no longer used.
    preconditions: what must be so for the delete to happen.
    propagationPolicy: what happens to objects that belong to this one: Orphan, Background or Foreground.
    """

    api_version: str = ""
    kind: str = ""
    dry_run: Annotated[list[str], Field(json_schema_extra=_ATOMIC)] = []
    grace_period_seconds: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None
    orphan_dependents: bool | None = None
    preconditions: Preconditions | None = None
    propagation_policy: str | None = None


class Patch(BaseModel):
    """A patch: what it holds depends on its content type."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})


TYPES: tuple[type[BaseModel], ...] = (ObjectMeta, ListMeta, Status, DeleteOptions, Patch)
"""The types to describe; what they are made of follows."""
