"""Resources: what a kind is called over REST. One row per kind of `manifests.registry`, and the subresources there are.

    RESOURCES                       every kind of the registry, in its order
    resource_at("v1", "services")   the resource of a path; None where there is none
    resource.path("default", "web") "/api/v1/namespaces/default/services/web"

A resource without a registry row (an Event, an access review) is made by whoever serves it; discovery and OpenAPI take
the resources they describe as an argument.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from manifests.registry import KINDS, VERBS, Kind
from manifests.virtual_server import VirtualServer

_CORE_PACKAGES = {
    "": "io.k8s.api.core",
    "authentication.k8s.io": "io.k8s.api.authentication",
    "authorization.k8s.io": "io.k8s.api.authorization",
    "events.k8s.io": "io.k8s.api.events",
    "storage.k8s.io": "io.k8s.api.storage",
}
"""Where Kubernetes keeps the Go types of a group: its OpenAPI names, which clients expect, come from there."""


@dataclass(frozen=True)
class Subresource:
    """A part of an object with a path of its own; options are the fields a request to it may have (OpenAPI)."""

    name: str
    verbs: tuple[str, ...]
    description: str
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)


_REQUEST_ID = {"request": {"type": "string", "description": "The same request twice is one request."}}
_FORCE = {**_REQUEST_ID, "force": {"type": "boolean", "description": "Power off without asking the guest."}}
_OPERATE = ("create", "update")
_CONNECT = ("create", "get")

STATUS = Subresource("status", ("get",), "What is, as the object's workflow last published it.")

VIRTUAL_SERVER_SUBRESOURCES = (
    STATUS,
    Subresource("start", _OPERATE, "Power the machine on.", _REQUEST_ID),
    Subresource("stop", _OPERATE, "Shut the machine down; with `force`, power it off.", _FORCE),
    Subresource("restart", _OPERATE, "Shut the machine down and power it on again.", _FORCE),
    Subresource("pause", _OPERATE, "Freeze the guest; its memory stays.", _REQUEST_ID),
    Subresource("unpause", _OPERATE, "Let a frozen guest go on.", _REQUEST_ID),
    Subresource("softreboot", _OPERATE, "Ask the guest to reboot itself.", _REQUEST_ID),
    Subresource("reset", _OPERATE, "Press the machine's reset button.", _REQUEST_ID),
    Subresource("console", _CONNECT, "The guest's serial console, as a WebSocket."),
    Subresource("vnc", _CONNECT, "The guest's screen, as a WebSocket that speaks RFB."),
    Subresource("portforward", _CONNECT, "A TCP port of the guest, as a WebSocket."),
    Subresource("log", ("get",), "What the guest wrote to its serial console."),
)


@dataclass(frozen=True)
class Resource:
    """A kind as REST serves it. `model` is what a body holds; `categories` are words for several kinds at once."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    model: type[BaseModel]
    short: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("get",)
    subresources: tuple[Subresource, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def singular(self) -> str:
        """The singular people may type."""
        return self.kind.lower()

    @property
    def core(self) -> bool:
        """Whether the kind is Kubernetes' own: clients know its Go type and send strategic merge patches."""
        return self.group in _CORE_PACKAGES

    @property
    def qualified(self) -> str:
        """The resource as messages name it: `virtualservers.tensorstack.dev`, `services`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def package(self) -> str:
        """What the OpenAPI names of its types begin with."""
        base = _CORE_PACKAGES.get(self.group) or ".".join(reversed(self.group.split(".")))
        return f"{base}.{self.version}"

    @property
    def component(self) -> str:
        """The OpenAPI name of its type."""
        return f"{self.package}.{self.kind}"

    @property
    def group_version_kind(self) -> dict[str, str]:
        """Group, version and kind as the extensions of OpenAPI write them."""
        return {"group": self.group, "version": self.version, "kind": self.kind}

    @property
    def root(self) -> str:
        """The path of its group and version."""
        return root_path(self.api_version)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of a list, of an object or of a part of one."""
        within = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        parts = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{self.root}{within}/{self.plural}{parts}"


def root_path(api_version: str) -> str:
    """Return the path of a group and version: `/api/v1`, `/apis/tensorstack.dev/v1beta1`."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


_WITHOUT_STATUS = frozenset({"Account", "ConfigMap", "Secret", "ServiceAccount", "StorageClass"})
"""Kinds that are only what people write."""


def resource_of(kind: Kind) -> Resource:
    """Return the resource of a row of the registry."""
    status = () if kind.kind in _WITHOUT_STATUS else (STATUS,)
    return Resource(
        api_version=kind.api_version,
        kind=kind.kind,
        plural=kind.plural,
        namespaced=kind.namespaced,
        model=kind.model,
        short=kind.short,
        verbs=VERBS,
        subresources=VIRTUAL_SERVER_SUBRESOURCES if kind.model is VirtualServer else status,
        categories=kind.categories,
    )


RESOURCES: tuple[Resource, ...] = tuple(resource_of(kind) for kind in KINDS)


def resource_at(api_version: str, plural: str, resources: Iterable[Resource] = RESOURCES) -> Resource | None:
    """Return the resource that a path names."""
    return next((each for each in resources if (each.api_version, each.plural) == (api_version, plural)), None)


def api_versions(resources: Iterable[Resource]) -> list[str]:
    """Return the groups and versions there are, in the order of the resources."""
    return list(dict.fromkeys(each.api_version for each in resources))
