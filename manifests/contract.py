"""The wire contract: what any Temporal client may rely on. docs/contract.md tells it in prose; tests compare."""

from enum import StrEnum

from temporalio.api.enums.v1 import IndexedValueType

from domain.guest import GuestPlan
from domain.model import Value

LIFECYCLE_QUEUE = "lifecycle"
"""Workflows of objects with a life, and their short errands to other workflows."""

LEDGER_QUEUE = "ledger"
"""Zone workflows. A queue of their own: a VM's workflow task waits for a zone's answer, so the two must never compete
for the same worker slots."""

OBJECT_MEMO = "object"
"""Memo key under which a workflow publishes its object: manifest and status together."""


def hypervisor_queue(name: str) -> str:
    """Return the task queue served by the worker that reaches a hypervisor."""
    return f"hypervisor:{name}"


def workflow_id(kind: str, name: str, namespace: str = "") -> str:
    """Return an object's workflow id: `<Kind>/<namespace>/<name>`, or `<Kind>/<name>` without a namespace."""
    return f"{kind}/{namespace}/{name}" if namespace else f"{kind}/{name}"


class WorkflowType(StrEnum):
    """Workflow types that can be started from outside."""

    VIRTUAL_MACHINE = "VirtualMachine"
    IMAGE = "Image"
    HYPERVISOR = "Hypervisor"
    ZONE = "Zone"
    CONSOLE = "Console"


class Signal(StrEnum):
    """Signals. `delete` is for everybody; the others are what workflows and the watch tell each other."""

    DELETE = "delete"
    WAKE = "wake"
    WANT = "want"
    FORGET = "forget"
    JOIN = "join"
    LEAVE = "leave"
    RELEASE = "release"


class Update(StrEnum):
    """Updates. `claim` is a VM's question to its zone."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    CLAIM = "claim"


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
    """The argument of `start`, `stop` and `restart`; every field may be left out.

    request: id of the request; the same id twice is one request. Empty: the update's own id is used.
    force:   power off without asking the guest.
    """

    request: str = ""
    force: bool = False


class PowerAnswer(Value):
    """The answer of `start`, `stop` and `restart`: accepted, and the run strategy from now on."""

    run_strategy: str


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


class ConsoleRequest(Value):
    """The argument of `Console`: the last `limit` bytes of a guest's serial console."""

    hypervisor: str
    uid: str
    limit: int = 65536


class BuildOrder(Value):
    """What a hypervisor's worker is told to build; `fresh` as in drivers.base.Driver.ensure_defined."""

    plan: GuestPlan
    fresh: bool


class StopOrder(Value):
    """What a hypervisor's worker is told to end: one incarnation, with so many seconds of grace."""

    uid: str
    incarnation: str
    grace: float
