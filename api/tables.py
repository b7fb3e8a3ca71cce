"""Tables: objects as `kubectl get` asks for them, `meta.k8s.io/v1` Table. Pure.

    table(resource, items, now=now, include=IncludeObject.METADATA, metadata={"resourceVersion": "7"})

A watch sends each object as a Table of one row; only the first needs `headed=True`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from api.columns import Column
from api.kind_columns import columns_of
from api.refusals import bad_request
from api.resources import Resource

Document = dict[str, Any]


class IncludeObject(StrEnum):
    """What of its object a row carries besides the cells; the words are those of the query `includeObject`."""

    NONE = "None"
    METADATA = "Metadata"
    OBJECT = "Object"


def include_object(word: str) -> IncludeObject:
    """Return what a query's `includeObject` means; metadata where it says nothing."""
    try:
        return IncludeObject(word or IncludeObject.METADATA)
    except ValueError:
        known = ", ".join(f'"{each.value}"' for each in IncludeObject)
        raise bad_request(f'includeObject: Unsupported value: "{word[:40]}": supported values: {known}') from None


def table(  # noqa: PLR0913 - each argument is one thing a client says
    resource: Resource,
    items: Iterable[Mapping[str, Any]],
    *,
    now: datetime,
    include: IncludeObject = IncludeObject.METADATA,
    metadata: Mapping[str, Any] | None = None,
    headed: bool = True,
) -> Document:
    """Return objects as a table; metadata: that of the list they are from."""
    columns = columns_of(resource.group, resource.kind)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(metadata or {}),
        "columnDefinitions": [_definition(each) for each in columns] if headed else [],
        "rows": [_row(each, columns, now, include) for each in items],
    }


def partial(document: Mapping[str, Any]) -> Document:
    """Return an object's metadata alone, as `meta.k8s.io/v1` PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": document.get("metadata", {})}


def partial_list(items: Iterable[Mapping[str, Any]], metadata: Mapping[str, Any]) -> Document:
    """Return the metadata of many objects."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(metadata),
        "items": [partial(each) for each in items],
    }


def _definition(column: Column) -> Document:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": 1 if column.wide else 0,
    }


def _row(document: Mapping[str, Any], columns: Iterable[Column], now: datetime, include: IncludeObject) -> Document:
    row: Document = {"cells": [each.read(document, now) for each in columns]}
    match include:
        case IncludeObject.METADATA:
            row["object"] = partial(document)
        case IncludeObject.OBJECT:
            row["object"] = document
        case IncludeObject.NONE:
            pass
    return row
