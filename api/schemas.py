"""OpenAPI v3 schemas of kinds, made from their models. Pure.

    components(resource)   every schema a kind needs, by OpenAPI name: itself, its list, its parts, `meta/v1`
    meta_components()      the schemas of `meta/v1`

The schemas are structural, as Kubernetes wants them: a node has one type, a union of objects has the properties of all,
an enumeration stands where it is used, and a reference is wrapped in `allOf` beside its description.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import meta
from api.descriptions import described
from api.lists import LISTS
from api.resources import Resource

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/"

_ENVELOPE = {
    "apiVersion": "Group and version of the kind this document is written in.",
    "kind": "The kind of object this document is.",
    "metadata": "Name, namespace, labels and the other things every object has.",
    "status": "What is, as far as is known. Written by the server; what a request says here is not kept.",
    "items": "The objects.",
}
"""What the envelope's fields mean, whatever the kind."""

_DROPPED = frozenset({"title", "discriminator", "propertyNames", "anyOf", "oneOf", "const", "$ref"})
"""What JSON Schema says and a structural OpenAPI 3.0 schema says otherwise, or not at all."""

_EMPTY: tuple[object, ...] = (None, "", [], {})

_METADATA = frozenset({"name", "generateName", "labels", "annotations", "managedFields"})
"""What the metadata of every kind has: to clients all of it is one type, Kubernetes' own."""


@cache
def components(resource: Resource) -> Mapping[str, Schema]:
    """Return the schemas of a kind and of all it is made of; the answer is shared, so do not change it."""
    schemas = dict(_described([resource.model], resource.package))
    root = schemas[f"{resource.package}.{resource.model.__name__}"]
    root.setdefault("required", [])
    root["required"] = [each for each in root["required"] if each not in {"apiVersion", "kind", "metadata"}]
    root["x-kubernetes-group-version-kind"] = [resource.group_version_kind]
    schemas[f"{resource.component}List"] = _list_schema(resource)
    return {resource.component: root, **schemas, **meta_components()}


@cache
def meta_components() -> Mapping[str, Schema]:
    """Return the schemas of `meta/v1`; the answer is shared, so do not change it."""
    schemas = _described(meta.TYPES, meta.PACKAGE)
    for kind in ("Status", "DeleteOptions"):
        group_version_kind = {"group": "", "version": "v1", "kind": kind}
        schemas[f"{meta.PACKAGE}.{kind}"]["x-kubernetes-group-version-kind"] = [group_version_kind]
    return schemas


def reference(name: str, description: str = "") -> Schema:
    """Return a reference to a schema by its OpenAPI name."""
    to = {"$ref": f"{REFERENCE}{name}"}
    return {"description": description, "allOf": [to]} if description else to


def resolved(schema: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Mapping[str, Any]:
    """Return the schema that a reference means; any other schema is itself."""
    to = schema.get("$ref") or next((each.get("$ref") for each in schema.get("allOf", ())), None)
    return schemas[to.removeprefix(REFERENCE)] if to else schema


def _list_schema(resource: Resource) -> Schema:
    return {
        "description": f"A list of {resource.kind} objects.",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"description": _ENVELOPE["apiVersion"], "type": "string"},
            "kind": {"description": _ENVELOPE["kind"], "type": "string"},
            "metadata": reference(f"{meta.PACKAGE}.ListMeta", "What every list has besides its items."),
            "items": {"description": _ENVELOPE["items"], "type": "array", "items": reference(resource.component)},
        },
        "x-kubernetes-group-version-kind": [{**resource.group_version_kind, "kind": f"{resource.kind}List"}],
    }


def _described(models: Iterable[type[BaseModel]], package: str) -> dict[str, Schema]:
    """Return the structural schemas of models and their parts, by OpenAPI name."""
    _, raw = models_json_schema([(each, "validation") for each in models], by_alias=True, ref_template="{model}")
    structural = _Structural(raw["$defs"], package)
    schemas = {structural.name(each): structural.of_class(each) for each in raw["$defs"]}
    for name in structural.told:
        schemas[name].pop("description", None)
    return schemas


class _Structural:
    """The turning of pydantic's schemas, which refer to each other, into structural ones."""

    def __init__(self, definitions: Mapping[str, Schema], package: str) -> None:
        self._definitions = definitions
        self._package = package
        self.told: set[str] = set()
        """Classes whose description stands at the fields that hold them: clients show both, and once is enough."""

    def name(self, definition: str) -> str:
        """Return the OpenAPI name of a definition; pydantic writes `module__Class` where two classes share a name."""
        if self._definitions[definition].get("properties", {}).keys() >= _METADATA:
            return f"{meta.PACKAGE}.ObjectMeta"
        return f"{self._package}.{definition.rpartition('__')[2]}"

    def of_class(self, name: str) -> Schema:
        """Return the schema of a class: described by its docstring, field by field."""
        raw = self._definitions[name]
        properties: Mapping[str, Schema] = raw.get("properties", {})
        about, fields = described(raw.get("description", ""), properties)
        schema = self._of(raw) | {"description": about}
        if "properties" in schema:
            schema["properties"] = {
                field: self._field(name, field, each, fields.get(field, "")) for field, each in properties.items()
            }
        return schema

    def _field(self, owner: str, name: str, raw: Schema, description: str) -> Schema:
        schema = self._of(raw) | LISTS.get((self._package, owner, name), {})
        envelope = _ENVELOPE.get(name, "") if "apiVersion" in self._definitions[owner]["properties"] else ""
        text = description or (envelope if name == "metadata" else "") or self._inherited(raw) or envelope
        return {"description": text, **schema} if text else schema

    def _inherited(self, raw: Schema) -> str:
        """Return what is said about the class a field holds: what the field is, when nobody says more."""
        for each in (raw, raw.get("items", {}), *raw.get("anyOf", ())):
            if "$ref" in each:
                self.told.add(self.name(each["$ref"]))
                target = self._definitions[each["$ref"]]
                return described(target.get("description", ""), target.get("properties", {}))[0]
        return ""

    def _of(self, raw: Schema) -> Schema:
        """Return the structural schema of a node, without the descriptions of its own properties."""
        if "$ref" in raw:
            return self._referred(raw)
        members = [each for each in (*raw.get("anyOf", ()), *raw.get("oneOf", ())) if each.get("type") != "null"]
        own = _said(raw)
        if members:
            return self._united(members) | own
        if "const" in raw:
            own["enum"] = [raw["const"]]
        if "items" in raw:
            own["items"] = self._of(raw["items"])
        _open_map(own, raw.get("additionalProperties"), self._of)
        if "type" not in own and "enum" not in own:
            own["x-kubernetes-preserve-unknown-fields"] = True
        return own

    def _referred(self, raw: Schema) -> Schema:
        target = self._definitions[raw["$ref"]]
        own = _said(raw)
        if target.get("type") != "object":  # an enumeration stands where it is used
            return {key: value for key, value in self._of(target).items() if key != "description"} | own
        return {"allOf": [{"$ref": f"{REFERENCE}{self.name(raw['$ref'])}"}], **own}

    def _united(self, members: list[Schema]) -> Schema:
        """Return one schema for several that are possible."""
        if len(members) == 1:
            return self._of(members[0])
        targets = [self._definitions[each["$ref"]] if "$ref" in each else each for each in members]
        if any(each.get("type") != "object" for each in targets):
            types = [{"type": each["type"]} for each in targets if "type" in each]
            return {"oneOf": types} if len(types) == len(targets) else {"x-kubernetes-preserve-unknown-fields": True}
        united: Schema = {"type": "object", "properties": {}}
        for each in members:
            whole = self.of_class(each["$ref"])
            for name, schema in whole["properties"].items():
                known = united["properties"].setdefault(name, schema)
                if known.get("enum") != schema.get("enum"):
                    united["properties"][name] = {**known, "enum": [*known["enum"], *schema["enum"]]}
        for schema in united["properties"].values():
            schema.pop("default", None)
        return united


def _said(raw: Schema) -> Schema:
    """Return the keywords that say something a reader of OpenAPI needs; a default is what people would write."""
    own = {key: value for key, value in raw.items() if key not in _DROPPED}
    if isinstance(own.get("default"), dict):
        own["default"] = {key: value for key, value in own["default"].items() if value not in _EMPTY}
    if own.get("default") in _EMPTY:
        own.pop("default", None)
    if own.get("additionalProperties") is False:
        del own["additionalProperties"]
    return own


def _open_map(own: Schema, values: object, of: Any) -> None:  # noqa: ANN401 - a bound method of the class above
    """Say what values a map has; a map of anything keeps what nobody knows."""
    if values is True:
        del own["additionalProperties"]
        own["x-kubernetes-preserve-unknown-fields"] = True
    elif isinstance(values, dict):
        own["additionalProperties"] = of(values)
