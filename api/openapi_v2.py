"""OpenAPI v2 of the gateway, all groups in one document, for clients older than Kubernetes 1.28. Pure.

    document(resources)   what /openapi/v2 answers in JSON
    encoded(document)     the same in the protobuf of gnostic's OpenAPIv2.proto, which kubectl asks for

kubectl before 1.28 reads it for `--validate`, `explain` and `--dry-run=server`; Debian 12's kubectl is 1.20. Made from
the v3 documents; of the paths there is what such a client looks for: which kinds can be patched, and tried without
writing.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from api import openapi
from api.resources import Resource, api_versions

ASKED_FOR = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What clients accept. No media type may have an `@`, so the answer is called otherwise, as by Kubernetes."""

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

Document = dict[str, Any]

_V3, _V2 = "#/components/schemas/", "#/definitions/"


@cache
def document(resources: tuple[Resource, ...]) -> Document:
    """Return the document; the answer is shared, so do not change it."""
    definitions: Document = {}
    paths: Document = {}
    for api_version in api_versions(resources):
        each = openapi.document(api_version, resources) or {}
        definitions |= {name: _schema(schema) for name, schema in each["components"]["schemas"].items()}
        paths |= {path: _path(item) for path, item in each["paths"].items() if "patch" in item}
    return {
        "swagger": "2.0",
        "info": {"title": openapi.TITLE, "version": "v2"},
        "paths": paths,
        "definitions": dict(sorted(definitions.items())),
    }


def _schema(schema: Mapping[str, Any]) -> Document:
    """Return a schema of v3 as v2 has it: a reference beside its description, no defaults, no `nullable`."""
    found = {key: value for key, value in schema.items() if key not in {"allOf", "nullable", "default"}}
    for reference in schema.get("allOf", ()):
        found.pop("type", None)
        found |= reference
    if "$ref" in found:
        found["$ref"] = found["$ref"].replace(_V3, _V2)
    if "properties" in found:
        found["properties"] = {name: _schema(each) for name, each in found["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(found.get(name), Mapping):
            found[name] = _schema(found[name])
    return found


def _path(item: Mapping[str, Any]) -> Document:
    patch = item["patch"]
    parameters = [
        {"in": "query", "name": each["name"], "type": each["schema"]["type"], "description": each["description"]}
        for each in patch["parameters"]
    ]
    kept = ("operationId", "description", "x-kubernetes-action", "x-kubernetes-group-version-kind")
    consumes = list(patch["requestBody"]["content"])
    return {"patch": {**{key: patch[key] for key in kept}, "consumes": consumes, "parameters": parameters}}


def encoded(whole: Mapping[str, Any]) -> bytes:
    """Return a v2 document as gnostic's Document message; numbers of fields are those of its OpenAPIv2.proto."""
    info = _text(1, whole["info"]["title"]) + _text(2, whole["info"]["version"])
    paths = b"".join(_message(2, _text(1, path), _message(2, _item(item))) for path, item in whole["paths"].items())
    return (
        _text(1, whole["swagger"]) + _message(2, info) + _message(8, paths) + _message(9, _named(whole["definitions"]))
    )


def _item(item: Mapping[str, Any]) -> bytes:
    """Return a PathItem: its patch."""
    patch = item["patch"]
    parameters = (_message(8, _message(1, _message(2, _message(3, _query(each))))) for each in patch["parameters"])
    operation = [_text(3, patch["description"]), _text(5, patch["operationId"])]
    operation += [_text(7, each) for each in patch["consumes"]]
    return _message(8, *operation, *parameters, _extensions(13, patch))


def _query(parameter: Mapping[str, Any]) -> bytes:
    """Return a QueryParameterSubSchema."""
    words = ((2, "in"), (3, "description"), (4, "name"), (6, "type"))
    return b"".join(_text(number, parameter[name]) for number, name in words)


def _named(schemas: Mapping[str, Any]) -> bytes:
    """Return Definitions, or Properties: NamedSchemas."""
    return b"".join(_message(1, _text(1, name), _message(2, _encoded(each))) for name, each in schemas.items())


def _encoded(schema: Mapping[str, Any]) -> bytes:
    """Return a Schema; limits of lengths and numbers are left to the server."""
    parts = [
        _text(1, schema.get("$ref", "")),
        _text(2, schema.get("format", "")),
        _text(4, schema.get("description", "")),
    ]
    parts += [_text(19, each) for each in schema.get("required", ())]
    parts += [_message(20, _text(2, json.dumps(each))) for each in schema.get("enum", ())]
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        parts.append(_message(21, _message(1, _encoded(more))))
    if "type" in schema:
        parts.append(_message(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_message(23, _message(1, _encoded(schema["items"]))))
    if "properties" in schema:
        parts.append(_message(25, _named(schema["properties"])))
    return b"".join([*parts, _extensions(31, schema)])


def _extensions(number: int, of: Mapping[str, Any]) -> bytes:
    """Return NamedAnys: what begins with `x-`, each in YAML, of which JSON is a part."""
    return b"".join(
        _message(number, _text(1, name), _message(2, _text(2, json.dumps(value))))
        for name, value in of.items()
        if name.startswith("x-")
    )


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode()) if text else b""


def _message(number: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
