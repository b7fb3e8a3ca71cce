"""Strategic merge patch: a merge patch that knows which lists are merged, and by which key. For Kubernetes' own kinds.

Directives: `$patch: delete | replace | merge`, `$retainKeys`, `$deleteFromPrimitiveList/<field>`,
`$setElementOrder/<field>`. Source: Kubernetes' "strategic merge patch" (sig-api-machinery) and its
`apimachinery/pkg/util/strategicpatch`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from api.patching.shape import Shape
from api.refusals import bad_request

Json = Any
Map = dict[str, Any]

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(live: Json, patch: Json, shape: Shape) -> Json:
    """Return what a value becomes; Refusal 400 for a directive that makes no sense."""
    if not isinstance(patch, dict):
        return patch
    match patch.get(_PATCH):
        case "replace":
            return {key: value for key, value in patch.items() if key != _PATCH}
        case "delete":
            return {}
        case None | "merge":
            return _merged(dict(live) if isinstance(live, dict) else {}, patch, shape)
        case other:
            raise bad_request(f"Unknown patch type: {str(other)[:40]}")


def _merged(live: Map, patch: Mapping[str, Json], shape: Shape) -> Map:
    merged = _thinned(live, patch)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _merged_list(merged.get(key), value, shape.field(key))
        else:
            merged[key] = strategic_merge(merged.get(key), value, shape.field(key))
    for key in patch:
        field = key.removeprefix(_ORDER)
        if field != key and isinstance(merged.get(field), list):
            merged[field] = _ordered(merged[field], _listed(patch, key), shape.field(field).merge_key)
    return merged


def _thinned(live: Map, patch: Mapping[str, Json]) -> Map:
    """Return a map without what directives of a patch take from it."""
    retained = _listed(patch, _RETAIN) if _RETAIN in patch else list(live)
    thinned = {key: value for key, value in live.items() if key in retained}
    for key in patch:
        field = key.removeprefix(_DELETE_FROM)
        if field != key and isinstance(thinned.get(field), list):
            gone = _listed(patch, key)
            thinned[field] = [each for each in thinned[field] if each not in gone]
    return thinned


def _listed(patch: Mapping[str, Json], key: str) -> list[Json]:
    if not isinstance(patch[key], list):
        raise bad_request(f"{key[:80]} wants a list")
    return list(patch[key])


def _merged_list(live: Json, patch: list[Json], shape: Shape) -> list[Json]:
    if not shape.merged or any(isinstance(each, dict) and each.get(_PATCH) == "replace" for each in patch):
        return [each for each in patch if not (isinstance(each, dict) and _PATCH in each)]
    merged = list(live) if isinstance(live, list) else []
    if not shape.merge_key:
        return [*merged, *(each for each in patch if each not in merged)]
    for element in patch:
        if not isinstance(element, dict) or shape.merge_key not in element:
            raise bad_request(f"map: an element does not contain declared merge key: {shape.merge_key}")
        place = _place(merged, element, shape)
        if element.get(_PATCH) == "delete":
            merged = [each for at, each in enumerate(merged) if at != place]
        elif place is None:
            merged.append(strategic_merge({}, element, shape.items))
        else:
            merged[place] = strategic_merge(merged[place], element, shape.items)
    return merged


def _place(elements: list[Json], wanted: Mapping[str, Json], shape: Shape) -> int | None:
    """Return where the element is that a patch means: all of its keys are the same, or else its merge key is.

    A port of a Service is found by number and protocol; the merge key alone would take TCP 53 for UDP 53.
    """
    for keys in (shape.keys, (shape.merge_key,)):
        if keys and all(key in wanted for key in keys):
            for place, each in enumerate(elements):
                if isinstance(each, dict) and all(each.get(key) == wanted[key] for key in keys):
                    return place
    return None


def _ordered(elements: list[Json], order: Iterable[Json], merge_key: str) -> list[Json]:
    """Return the elements in the order asked for; one that is not named stays behind the one it was behind."""
    names = [_name(each, merge_key) for each in order]
    rank = {name: place for place, name in reversed(list(enumerate(names)))}
    chunks: list[tuple[int, list[Json]]] = [(-1, [])]
    for each in elements:
        name = _name(each, merge_key)
        if name in rank:
            chunks.append((rank[name], [each]))
        else:
            chunks[-1][1].append(each)
    return [each for _, chunk in sorted(chunks, key=lambda chunk: chunk[0]) for each in chunk]


def _name(element: Json, merge_key: str) -> str:
    return repr(element.get(merge_key) if isinstance(element, dict) else element)
