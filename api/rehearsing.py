"""Dry runs: a write is refused as the real one would be, and nothing is written.

What the real one asks of the object's workflow is asked here of the object as it was last published. Only what nobody
can foresee is left out: that no worker answers, or that somebody else writes meanwhile.
"""

from collections.abc import Mapping
from typing import Any

from domain.problem import Problem
from manifests.contract import WorkflowType
from manifests.registry import Kind, check_size, id_of, kind_of, parse
from runtime.objects import Objects, not_edited

Document = Mapping[str, Any]


def rehearse_create(objects: Objects, new: Document) -> Document:
    """Return an object as it would be stored, readable; raise the Problem with which it would not be.

    Sealing adds some fifty bytes to each value of a Secret, which are not counted here.
    """
    declared = parse(new).document()
    opened = objects.opened(declared)
    check_size(declared)
    return opened


def rehearse_edit(objects: Objects, live: Document, new: Document) -> None:
    """Raise the Problem with which an object would not be declared anew; live: as it is, a Secret readable."""
    kind = kind_of(new)
    if not kind.editable:
        raise not_edited(kind, id_of(parse(new)))
    opened = rehearse_create(objects, new)
    if "deletionTimestamp" in live["metadata"]:
        raise Problem.terminal("Conflict", f"the edit is too late: the {_called(kind)} is being deleted")
    parse(opened).check_edit(parse(live))


def _called(kind: Kind) -> str:
    return "VM" if kind.workflow is WorkflowType.VIRTUAL_MACHINE else "object"
