"""OpenAPI v3 of the gateway, one document per group and version. Pure.

    index(resources)                what /openapi/v3 answers: where each document is, with its hash
    document(api_version, resources)  what /openapi/v3/apis/<group>/<version> answers; None where there is none

kubectl reads them for `explain`, for `--validate`, `--dry-run` and to know which patches a kind takes: it looks up the
`x-kubernetes-group-version-kind` of an operation, and the parameters and the media types it has.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from api.operations import paths_of
from api.resources import Resource, api_versions, root_path
from api.schemas import components

Document = dict[str, Any]

TITLE = "vmflow"


def index(resources: Sequence[Resource]) -> Document:
    """Return the index; a document's hash is part of its address, so that clients may keep it for ever."""
    return {
        "paths": {_key(each): {"serverRelativeURL": _url(each, tuple(resources))} for each in api_versions(resources)}
    }


def document(api_version: str, resources: Sequence[Resource]) -> Document | None:
    """Return the document of a group and version, or None; the answer is shared, so do not change it."""
    return _document(api_version, tuple(resources)) if api_version in api_versions(resources) else None


def digest(api_version: str, resources: Sequence[Resource]) -> str:
    """Return the hash of a document: the same for the same document, also in another process. Usable as an ETag."""
    return _digest(api_version, tuple(resources))


@cache
def _document(api_version: str, resources: tuple[Resource, ...]) -> Document:
    schemas: Document = {}
    paths: Document = {}
    for each in resources:
        if each.api_version == api_version:
            schemas.update(components(each))
            paths.update(paths_of(each))
    return {
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": api_version.rpartition("/")[2]},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"BearerToken": {"type": "http", "scheme": "bearer", "description": "A token."}},
        },
        "security": [{"BearerToken": []}],
    }


@cache
def _digest(api_version: str, resources: tuple[Resource, ...]) -> str:
    text = json.dumps(_document(api_version, resources), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest().upper()


def _key(api_version: str) -> str:
    return root_path(api_version).removeprefix("/")


def _url(api_version: str, resources: tuple[Resource, ...]) -> str:
    return f"/openapi/v3/{_key(api_version)}?hash={_digest(api_version, resources)}"
