"""The shape of a kind's documents: what patches and field managers must know of its schema. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from api.resources import Resource
from api.schemas import Schema, components, resolved

Document = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Shape:
    """A node of a schema. What nothing is known about is granular as a map and atomic as a list, as in Kubernetes."""

    schema: Mapping[str, Any]
    schemas: Mapping[str, Schema]

    @cached_property
    def _node(self) -> Mapping[str, Any]:
        """The schema a reference means, with what is said where it stands."""
        return {**resolved(self.schema, self.schemas), **self.schema}

    @cached_property
    def _fields(self) -> dict[str, "Shape"]:
        """The shapes of the fields the schema declares."""
        return {name: Shape(each, self.schemas) for name, each in self._node.get("properties", {}).items()}

    @cached_property
    def _values(self) -> "Shape":
        """The shape of a map's values."""
        return Shape(self._node.get("additionalProperties", {}), self.schemas)

    def field(self, name: str) -> "Shape":
        """Return the shape of a field or of a map's value."""
        return self._fields.get(name) or self._values

    def declares(self, name: str) -> bool:
        """Tell whether a field is one of the schema's own, and not a key of a map."""
        return name in self._fields

    @property
    def scalar(self) -> bool:
        """Whether this is a text, a number or a truth value."""
        return self._node.get("type") in {"string", "integer", "number", "boolean"}

    @cached_property
    def items(self) -> "Shape":
        """The shape of a list's elements."""
        return Shape(self._node.get("items", {}), self.schemas)

    @property
    def atomic_map(self) -> bool:
        """Whether a map has one owner as a whole."""
        return self._node.get("x-kubernetes-map-type") == "atomic"

    @property
    def list_type(self) -> str:
        """How a list is owned: atomic, set or map."""
        return str(self._node.get("x-kubernetes-list-type", "atomic"))

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that tell a list's elements apart."""
        return tuple(self._node.get("x-kubernetes-list-map-keys", ()))

    @property
    def merged(self) -> bool:
        """Whether a strategic merge patch merges a list instead of replacing it."""
        return "merge" in str(self._node.get("x-kubernetes-patch-strategy", ""))

    @property
    def merge_key(self) -> str:
        """The field by which a strategic merge patch finds an element."""
        return str(self._node.get("x-kubernetes-patch-merge-key", ""))

    @property
    def default(self) -> Any:  # noqa: ANN401 - a JSON value
        """What a field is when nobody says."""
        return self._node.get("default")


@cache
def shape_of(resource: Resource) -> Shape:
    """Return the shape of a kind's documents."""
    schemas = components(resource)
    return Shape(schemas[resource.component], schemas)
