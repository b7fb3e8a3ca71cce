"""`storage.k8s.io/v1` StorageClass: what kinds of storage there are. Fields and rules are those of Kubernetes 1.32."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from manifests.base import LabelKey, Line, Manifest, check_kept


class StorageClass(Manifest):
    """A kind of storage that claims may ask for.

    provisioner: who provides it.
    parameters: settings for the provisioner, by name.
    reclaimPolicy: what becomes of a volume whose claim is gone: Delete or Retain.
    volumeBindingMode: whether a volume is provided at once, or WaitForFirstConsumer.
    allowVolumeExpansion: whether claims may grow.
    mountOptions: options for mounting its volumes.
    allowedTopologies: where its volumes may be.
    """

    api_version: Literal["storage.k8s.io/v1"]
    kind: Literal["StorageClass"]
    provisioner: Annotated[LabelKey, Field(max_length=253)]
    parameters: Annotated[dict[str, Line] | None, Field(max_length=512)] = None
    reclaim_policy: Literal["Delete", "Retain"] = "Delete"
    volume_binding_mode: Literal["Immediate", "WaitForFirstConsumer"] = "Immediate"
    allow_volume_expansion: Annotated[bool, Field(strict=True)] | None = None
    mount_options: list[Line] | None = None
    allowed_topologies: list[dict[str, Any]] | None = None

    def check_edit(self, before: Self) -> None:
        """Refuse what would make it another class for the volumes that have it."""
        check_kept(
            ("provisioner", before.provisioner, self.provisioner),
            ("parameters", before.parameters or {}, self.parameters or {}),
            ("reclaimPolicy", before.reclaim_policy, self.reclaim_policy),
            ("volumeBindingMode", before.volume_binding_mode, self.volume_binding_mode),
        )
