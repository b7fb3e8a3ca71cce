"""What commands need of the objects, whichever way leads there: Temporal itself, or a gateway.

`cli.by_temporal` and `cli.by_gateway` are the two ways; `cli.session` takes the one that the settings name. No command
knows which.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from cli.channels import Channel
from domain.channel import Endpoint
from domain.model import Value
from manifests.contract import (
    DeleteRequest,
    DiscardAnswer,
    DiscardRequest,
    PowerAnswer,
    PowerRequest,
    ReplaceRequest,
    Update,
)
from manifests.registry import Kind
from runtime.objects import GO, Applied, Document
from runtime.story import Line


class Now(Value):
    """What a VM is doing. detail: its latest word; fraction: how much is done, from 0 to 1, where known."""

    status: str
    text: str
    detail: str = ""
    fraction: float | None = None


class Findings(Value):
    """What is known of a VM.

    doing:    what it does now, with its progress; missing: who is not there to do it, empty when nobody is missing.
    attempt:  of its workflow task; more than one means that the worker cannot go on with its history. 0: none waits.
    pending:  the steps under way; trouble: what went wrong lately, oldest first.
    """

    document: Document
    doing: str = ""
    missing: str = ""
    attempt: int = 0
    pending: tuple[str, ...] = ()
    trouble: tuple[Line, ...] = ()


class Way(Protocol):
    """A way to the objects. Every method raises Problem; an empty namespace is the one of who asks."""

    @property
    def namespace(self) -> str:
        """The namespace that is meant where none is named."""
        ...

    async def apply(self, document: Document, *, by: str) -> Applied:
        """Create the object a manifest declares, or edit the one that is there; by: who asks."""
        ...

    async def create(self, document: Mapping[str, Any]) -> None:
        """Create the object a manifest declares; Problem `AlreadyExists` when there is one."""

    async def replace(self, document: Mapping[str, Any], request: ReplaceRequest) -> object:
        """Declare an object anew."""

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Document:
        """Return one object; Problem `NotFound` when there is none."""
        ...

    async def list(self, kind: Kind, namespace: str = "") -> list[Document]:
        """Return all objects of a kind, by namespace and name; of every namespace for `*`."""
        ...

    async def delete(self, kind: Kind, name: str, namespace: str = "", request: DeleteRequest = GO) -> None:
        """Ask an object to go. It is gone when `get` says so."""

    async def operate(self, update: Update, request: PowerRequest, name: str, namespace: str = "") -> PowerAnswer:
        """Ask a VM for an operation and return when it is accepted, not when it is done."""
        ...

    async def discard(self, hypervisor: str, request: DiscardRequest) -> DiscardAnswer:
        """Give up an orphan and return when that is accepted, not when it is gone."""
        ...

    async def unserved(self, kind: Kind) -> str:
        """Return the sentence that says who is missing to keep a kind up to date; empty when nobody is known to be."""
        ...

    async def now(self, machine: Document) -> Now:
        """Return what a VM is doing, with the progress of what it waits for, as far as that can be seen."""
        ...

    async def findings(self, name: str, namespace: str = "") -> Findings:
        """Return what is known of a VM."""
        ...

    async def story(self, name: str, namespace: str = "") -> tuple[Line, ...]:
        """Return a VM's story, oldest first."""
        ...

    async def console_log(self, name: str, namespace: str, limit: int) -> str:
        """Return the last bytes of what a VM's serial console showed since its power-on."""
        ...

    def channel(
        self, name: str, namespace: str, endpoint: Endpoint, port: int = 0
    ) -> AbstractAsyncContextManager[Channel]:
        """Open a channel into a VM's running guest."""
        ...
