"""The way to the objects by a gateway: as the user of a kubeconfig, with the roles and the namespace of that user.

What only Temporal tells (pending activities and their heartbeats, who serves a queue) is not seen this way: a VM's
status and Events say what there is to say.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from cli.channels import Channel
from cli.follow import resting
from cli.gateway import Gateway
from cli.render import dig
from cli.ways import Findings, Now
from domain.access import EVERYWHERE
from domain.channel import Endpoint
from domain.problem import Problem
from manifests.base import SERVER_MADE
from manifests.contract import (
    DeleteRequest,
    DiscardAnswer,
    DiscardRequest,
    PowerAnswer,
    PowerRequest,
    ReplaceRequest,
    Update,
)
from manifests.registry import Kind, kind_called, kind_of, parse
from runtime.objects import GO, Applied, Document, check_lasting, declaration, without_book
from runtime.story import REASONS, Line

_VM = kind_called("virtualservers")
_EVENTS = "events.k8s.io/v1"
_KINDS = {reason: kind for kind, reason in REASONS.items()}
_CHANNELS = {Endpoint.CONSOLE: ("console",), Endpoint.VNC: ("vnc",), Endpoint.PORT: ("portforward",)}
_WRITER = {"fieldManager": "vmflow"}


class ByGateway:
    """A `cli.ways.Way`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context."""
        return self._gateway.cluster.namespace

    async def apply(self, document: Document, *, by: str) -> Applied:
        """Apply on the server, which knows who asks. What others set and the manifest does not name stays theirs."""
        del by
        declared = self._declared(document)
        path = self._path(declared, declared["metadata"]["name"])
        before = await self._found(path)
        secret = kind_of(document).kind == "Secret"  # what it says as stringData is stored as data
        said = declared if secret else self._placed(document)
        after = await self._gateway.apply(path, said, force="true", **_WRITER)
        if before is None:
            return Applied.CREATED
        return Applied.UNCHANGED if _written(before) == _written(after) else Applied.CONFIGURED

    async def create(self, document: Mapping[str, Any]) -> None:
        """Post a manifest."""
        declared = self._declared(document)
        await self._gateway.json("POST", self._path(declared), body=declared, **_WRITER)

    async def replace(self, document: Mapping[str, Any], request: ReplaceRequest) -> object:
        """Put a manifest."""
        declared = self._declared(document)
        if request.resource_version:
            declared["metadata"]["resourceVersion"] = request.resource_version
        path = self._path(declared, declared["metadata"]["name"])
        return await self._gateway.json("PUT", path, body=declared, **_WRITER)

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Document:
        """Get an object."""
        return await self._gateway.json("GET", self._at(kind, namespace, name))

    async def list(self, kind: Kind, namespace: str = "") -> list[Document]:
        """Get a list."""
        found: list[Document] = (await self._gateway.json("GET", self._at(kind, namespace)))["items"]
        return sorted(found, key=lambda each: (each["metadata"].get("namespace", ""), each["metadata"]["name"]))

    async def delete(self, kind: Kind, name: str, namespace: str = "", request: DeleteRequest = GO) -> None:
        """Send DELETE; the object goes when its workflow has given everything back. The gateway knows who asks."""
        check_lasting(kind, name)
        asked = {} if request.grace is None else {"gracePeriodSeconds": int(request.grace)}
        await self._gateway.json("DELETE", self._at(kind, namespace, name), body=asked or None)

    async def operate(self, update: Update, request: PowerRequest, name: str, namespace: str = "") -> PowerAnswer:
        """Put a subresource; the answer's details tell the run strategy."""
        body: Document = {"request": request.request, "force": request.force}
        if request.grace is not None:
            body["gracePeriod"] = int(request.grace)
        done = await self._gateway.json("PUT", self._at(_VM, namespace, name, update.value), body=body)
        told = {each["field"]: each["message"] for each in dig(done, "details", "causes") or []}
        return PowerAnswer(run_strategy=told.get("status.runStrategy", ""))

    async def discard(self, hypervisor: str, request: DiscardRequest) -> DiscardAnswer:
        """Refuse: who removes disks that no VM owns stands at the installation itself."""
        message = (
            f"no gateway discards orphans (of {hypervisor}); do it on a machine of the installation, with "
            "VMFLOW_KUBECONFIG unset"
        )
        raise Problem.terminal("NotByGateway", message, field=request.uid)

    async def unserved(self, kind: Kind) -> str:
        """Return nothing: a gateway does not tell."""
        del kind
        return ""

    async def now(self, machine: Document) -> Now:
        """Return what its status says."""
        return resting(machine)

    async def findings(self, name: str, namespace: str = "") -> Findings:
        """Return its status, and the Events of what went wrong."""
        document, story = await self._told(name, namespace)
        trouble = tuple(line for line in story if line.kind == "trouble")
        return Findings(document=document, doing=resting(document).text, trouble=trouble)

    async def story(self, name: str, namespace: str = "") -> tuple[Line, ...]:
        """Return its Events."""
        return (await self._told(name, namespace))[1]

    async def console_log(self, name: str, namespace: str, limit: int) -> str:
        """Get the log."""
        return await self._gateway.text("GET", self._at(_VM, namespace, name, "log"), limitBytes=str(limit))

    @asynccontextmanager
    async def channel(self, name: str, namespace: str, endpoint: Endpoint, port: int = 0) -> AsyncIterator[Channel]:
        """Open a WebSocket."""
        parts = (*_CHANNELS[endpoint], *([str(port)] if port else []))
        async with self._gateway.channel(self._at(_VM, namespace, name, *parts)) as guest:
            yield guest

    async def _told(self, name: str, namespace: str) -> tuple[Document, tuple[Line, ...]]:
        """Return a VM and its story; one that is not there has none, and that is trouble."""
        document = await self.get(_VM, name, namespace)
        path = f"/apis/{_EVENTS}/namespaces/{namespace or self.namespace}/events"
        about = f"regarding.kind={_VM.kind},regarding.name={name}"
        events: list[Document] = (await self._gateway.json("GET", path, fieldSelector=about))["items"]
        return document, tuple(_line(each) for each in sorted(events, key=_place))

    async def _found(self, path: str) -> Document | None:
        """Return the object at a path; None when there is none."""
        try:
            return await self._gateway.json("GET", path)
        except Problem as problem:
            if problem.reason != "NotFound":
                raise
            return None

    def _declared(self, document: Mapping[str, Any]) -> Document:
        """Return what a manifest declares, in the namespace of who asks if it names none."""
        return parse(self._placed(document)).document()

    def _placed(self, document: Mapping[str, Any]) -> Document:
        """Return a manifest as it is written, with the namespace it means and without what the server adds."""
        written: Document = {name: value for name, value in document.items() if name != "status"}
        if isinstance(written.get("metadata"), dict):
            made = SERVER_MADE | {"managedFields"}
            written["metadata"] = {name: value for name, value in written["metadata"].items() if name not in made}
            if kind_of(document).namespaced:
                written["metadata"] = {"namespace": self.namespace, **written["metadata"]}
        return written

    def _path(self, declared: Document, *parts: str) -> str:
        return self._at(kind_of(declared), declared["metadata"].get("namespace", ""), *parts)

    def _at(self, kind: Kind, namespace: str, *parts: str) -> str:
        """Return the path of a kind, of an object, or of a part of one."""
        root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
        place = namespace or self.namespace
        within = f"/namespaces/{place}" if kind.namespaced and place != EVERYWHERE else ""
        return "/".join((f"{root}{within}/{kind.plural}", *parts))


def _written(document: Document) -> Document:
    """Return what people declare of an object."""
    return declaration(without_book(document))


def _place(event: Document) -> tuple[str, int, str]:
    """Return where an Event stands in its story: lines of one moment are numbered, and the name ends with that."""
    name = event["metadata"]["name"]
    return event["eventTime"], len(name), name


def _line(event: Document) -> Line:
    kind = _KINDS.get(event["reason"], "status")
    return Line(at=datetime.fromisoformat(event["eventTime"]), kind=kind, text=event["note"])
