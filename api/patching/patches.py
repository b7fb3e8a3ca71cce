"""Patches by media type: what an object becomes by a body. Server-side apply is in `apply`."""

from collections.abc import Callable
from typing import Any

from api.errors import unsupported_media_type
from api.media import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from api.operations import patch_types
from api.patching.json_patch import json_patched
from api.patching.merge import merge
from api.patching.shape import Document, shape_of
from api.patching.strategic import strategic_merge
from api.refusals import bad_request
from api.resources import Resource

Json = Any


def patched(resource: Resource, live: Document, content_type: str, patch: Json) -> Document:
    """Return what an object becomes; live is not changed.

    content_type: the bare media type. patch: the body, read (`api.validation.read_json`). Raises Refusal 415 for a
    patch the kind does not take, 400 for a patch that is none, 422 for a JSON patch that does not fit.
    """
    if content_type not in patch_types(resource) or content_type not in _PATCHES:
        raise unsupported_media_type(patch_types(resource))
    if content_type != JSON_PATCH and not isinstance(patch, dict):
        raise bad_request("error decoding patch: this patch is an object")
    result = _PATCHES[content_type](resource, live, patch)
    if not isinstance(result, dict) or not isinstance(result.get("metadata"), dict):
        raise bad_request("error applying patch: what is left is no object with metadata")
    return result


_PATCHES: dict[str, Callable[[Resource, Document, Json], Json]] = {
    MERGE_PATCH: lambda _, live, patch: merge(live, patch),
    JSON_PATCH: lambda _, live, patch: json_patched(live, patch),
    STRATEGIC_MERGE_PATCH: lambda resource, live, patch: strategic_merge(live, patch, shape_of(resource)),
}
