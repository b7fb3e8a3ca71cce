"""The wire contract: what any Temporal client may rely on. docs/contract.md tells it in prose; tests compare."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field
from temporalio.api.enums.v1 import IndexedValueType

from domain.channel import Endpoint
from domain.guest import GuestPlan
from domain.hypervisor import Orphan
from domain.machine import GRACE_LIMIT
from domain.model import Value
from domain.run_strategy import Operation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LIFECYCLE_QUEUE = "lifecycle"
"""Workflows of objects with a life, and their short errands to other workflows."""

LEDGER_QUEUE = "ledger"
"""Zone workflows. A queue of their own: a VM's workflow task waits for a zone's answer, so the two must never compete
for the same worker slots."""

OBJECT_MEMO = "object"
"""Memo key under which a workflow publishes its object: manifest and status together."""

HISTORIES = 3
"""Which histories the workflows replay. One more whenever they stop to replay those of the version before; then golden
histories are recorded anew, too."""


def hypervisor_queue(name: str) -> str:
    """Return the task queue served by the worker that reaches a hypervisor."""
    return f"hypervisor:{name}"


def workflow_id(kind: str, name: str, namespace: str = "") -> str:
    """Return an object's workflow id: `<Kind>/<namespace>/<name>`, or `<Kind>/<name>` without a namespace."""
    return f"{kind}/{namespace}/{name}" if namespace else f"{kind}/{name}"


def version_at(moment: datetime) -> int:
    """Return the least resource version of what is published at a moment: microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


class WorkflowType(StrEnum):
    """Workflow types that can be started from outside."""

    VIRTUAL_MACHINE = "VirtualMachine"
    IMAGE = "Image"
    HYPERVISOR = "Hypervisor"
    ZONE = "Zone"
    CONSOLE = "Console"
    CHANNEL = "Channel"
    NAMESPACE = "Namespace"
    DECLARATION = "Declaration"


class Signal(StrEnum):
    """Signals. `delete` is for everybody; the others are what workflows and the watch tell each other."""

    DELETE = "delete"
    WAKE = "wake"
    WANT = "want"
    FORGET = "forget"
    JOIN = "join"
    LEAVE = "leave"
    RELEASE = "release"
    REPORT = "report"


class Update(StrEnum):
    """Updates. `claim` is a VM's question to its zone; `discard` is for a Hypervisor, the others are for VMs."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    SOFT_REBOOT = "softreboot"
    RESET = "reset"
    REPLACE = "replace"
    CLAIM = "claim"
    DISCARD = "discard"


class Query(StrEnum):
    """Queries. `claims` is the watch's question to a zone."""

    CLAIMS = "claims"


class SearchAttribute(StrEnum):
    """Search attributes of every object, all of type Keyword; a list of objects is one visibility query over them."""

    KIND = "VmflowKind"
    NAMESPACE = "VmflowNamespace"
    NAME = "VmflowName"
    STATUS = "VmflowStatus"
    HYPERVISOR = "VmflowHypervisor"


SEARCH_ATTRIBUTES = {each.value: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for each in SearchAttribute}
"""What a Temporal namespace must know before the first object."""


class PowerRequest(Value):
    """The argument of every operation (`start`, `stop`, `pause`, …); every field may be left out.

    request: id of the request; the same id twice is one request. Empty: the update's own id is used.
    force:   power off without asking the guest.
    grace:   seconds the guest gets to shut itself down before it is powered off; left out: as it is declared.
    by:      who asks, as far as the client knows: shown in `status.lastOperation`, at most 253 characters.
    """

    request: str = ""
    force: bool = False
    grace: Annotated[float, Field(ge=0, le=GRACE_LIMIT)] | None = None
    by: Annotated[str, Field(max_length=253)] = ""


class DeleteRequest(Value):
    """The argument of the signal `delete`, which may be left out; grace and by as in `PowerRequest`."""

    grace: Annotated[float, Field(ge=0, le=GRACE_LIMIT)] | None = None
    by: Annotated[str, Field(max_length=253)] = ""


class PowerAnswer(Value):
    """The answer of every operation: accepted, and the run strategy from now on."""

    run_strategy: str


class ReplaceRequest(Value):
    """The argument of `replace`: the whole manifest as it is to be; request and by as in `PowerRequest`.

    resource_version: refused unless the object still has it; empty: whatever the object is by now.
    """

    manifest: Any
    request: str = ""
    by: Annotated[str, Field(max_length=253)] = ""
    resource_version: str = ""


class ReplaceAnswer(Value):
    """The answer of `replace`: accepted; the generation that the manifest is, and the version it is published as."""

    generation: int
    resource_version: str = ""


class Want(Value):
    """A VM wants an image at a hypervisor; vm is its workflow's id, woken when there is news."""

    hypervisor: str
    vm: str


class Join(Value):
    """A hypervisor tells its zone what it offers; ready is false while nobody can reach it."""

    name: str
    cpus: int
    memory: int
    ready: bool = True


class Release(Value):
    """A VM gives its room in a zone back; gone: its life is over, and no claim of it is granted any more."""

    uid: str
    gone: bool = False


class Report(Value):
    """The watch tells its Hypervisor what a sweep found: domains that belong to no VM."""

    orphans: tuple[Orphan, ...] = ()


class DiscardRequest(Value):
    """The argument of `discard`: which orphan is to go with all that was built for it; others as in `PowerRequest`."""

    uid: str
    request: str = ""
    by: Annotated[str, Field(max_length=253)] = ""


class DiscardAnswer(Value):
    """The answer of `discard`: accepted, and whose domain it was (`<namespace>/<name>`)."""

    owner: str


class ConsoleRequest(Value):
    """The argument of `Console`: the last `limit` bytes of a guest's serial console."""

    hypervisor: str
    uid: str
    limit: int = 65536


class ChannelRequest(Value):
    """The argument of `Channel`: a way into a running guest, for whoever knows what `ticket` is the SHA-256 (hex) of.

    port: the guest's TCP port, for the endpoint `port`.
    """

    hypervisor: str
    uid: str
    endpoint: Endpoint
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    ticket: str


class ChannelAnswer(Value):
    """The answer of `Channel`: where the relay listens, and its certificate (PEM). Connect, send the secret, a line."""

    host: str
    port: int
    certificate: str


class BuildOrder(Value):
    """What a hypervisor's worker is told to build; `fresh` and `start` as in drivers.base.Driver.ensure_running."""

    plan: GuestPlan
    fresh: bool
    start: int = 1


class StopOrder(Value):
    """What a hypervisor's worker is told to end: one incarnation, with so many seconds of grace."""

    uid: str
    incarnation: str
    grace: float


class LiveOrder(Value):
    """What a hypervisor's worker is told to do to one running incarnation; request: id of the order."""

    uid: str
    incarnation: str
    operation: Operation
    request: str


class FitOrder(Value):
    """What a running incarnation is to be fitted to."""

    plan: GuestPlan
    incarnation: str
