"""JSON merge patch (RFC 7386)."""

from typing import Any

Json = Any


def merge(live: Json, patch: Json) -> Json:  # a JSON value
    """Return what a value becomes: objects are merged, null removes a field, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
