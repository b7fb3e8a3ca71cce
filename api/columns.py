"""The columns of each kind, as `kubectl get` shows them: one row of a table each. Pure.

A column's `read` gives its cell from an object and the time now; what is not there is `<none>`, as kubectl writes it.
`wide` columns show with `-o wide`. A kind without columns of its own has its name and its age.
Source for Kubernetes' own kinds: what kubectl 1.32 prints.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.durations import age

Document = Mapping[str, Any]
Cell = str | int | float | bool | None

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"


@dataclass(frozen=True)
class Column:
    """A column: its heading (kubectl writes it in capitals), how a cell is read, and what it means."""

    name: str
    read: Callable[[Document, datetime], Cell]
    description: str
    type: str = "string"
    format: str = ""
    wide: bool = False


def at(document: Any, path: str) -> Any:  # noqa: ANN401 - a JSON value
    """Return what stands at a dotted path; None when it is not there."""
    for part in path.split("."):
        document = document.get(part) if isinstance(document, Mapping) else None
    return document


def plain(name: str, path: str, description: str, *, missing: str = NONE, wide: bool = False) -> Column:
    """Return a column that shows a field as it stands."""

    def read(document: Document, _now: datetime) -> Cell:
        value = at(document, path)
        return missing if value in (None, "") else str(value)

    return Column(name, read, description, wide=wide)


def derived(name: str, of: Callable[[Document], Cell], description: str, *, wide: bool = False) -> Column:
    """Return a column that shows what follows from an object."""
    return Column(name, lambda document, _now: of(document), description, wide=wide)


def count(name: str, of: Callable[[Document], int], description: str) -> Column:
    """Return a column that shows a number."""
    return Column(name, lambda document, _now: of(document), description, type="integer")


def since(name: str, path: str, description: str, *, wide: bool = False) -> Column:
    """Return a column that shows how long ago something was."""
    return Column(name, lambda document, now: age(at(document, path), now), description, wide=wide)


NAME = Column("Name", lambda document, _now: at(document, "metadata.name"), "Name of the object.", format="name")
AGE = since("Age", "metadata.creationTimestamp", "How long ago the object was created.")


def joined(values: Any, *, missing: str = NONE) -> str:  # noqa: ANN401 - a JSON value
    """Return a list with commas, or a mapping as a selector."""
    if isinstance(values, Mapping):
        return ",".join(f"{key}={value}" for key, value in sorted(values.items())) or missing
    return ",".join(str(each) for each in values or ()) or missing
