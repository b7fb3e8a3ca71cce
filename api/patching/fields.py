"""Sets of fields: what of a document somebody says, and how two documents differ. The algebra of server-side apply.

A path is a tuple of elements as FieldsV1 writes them: `f:<name>` a field, `k:{"port":80}` an element of a list told
apart by keys, `v:"a"` a member of a set. A set of fields is a frozenset of paths; a leaf is what has one owner.
Source: structured-merge-diff, which Kubernetes uses, by its documentation and its answers.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from api.patching.shape import Shape

Json = Any
Path = tuple[str, ...]
Fields = frozenset[Path]
Tree = dict[str, Any]

NOTHING: Fields = frozenset()
_ABSENT = object()


class Child(NamedTuple):
    """A part of a granular value: its path element, and its value and shape."""

    element: str
    value: Json
    shape: Shape


class Difference(NamedTuple):
    """How one document differs from another, by path."""

    added: Fields
    removed: Fields
    modified: Fields

    @property
    def written(self) -> Fields:
        """What the other document says anew."""
        return self.added | self.modified

    @property
    def empty(self) -> bool:
        """Whether they do not differ."""
        return not (self.added or self.removed or self.modified)


def children(value: Json, shape: Shape) -> list[Child] | None:
    """Return the parts of a value that each have owners of their own; None for a leaf."""
    if isinstance(value, dict):
        if shape.atomic_map or shape.scalar:
            return None
        return [Child(f"f:{name}", each, shape.field(name)) for name, each in value.items()]
    if isinstance(value, list) and shape.list_type != "atomic":
        found = [Child(_element(each, shape), each, shape.items) for each in value]
        names = {child.element for child in found}
        return found if "" not in names and len(names) == len(found) else None
    return None


def _element(value: Json, shape: Shape) -> str:
    """Return how an element of a list is told apart; empty when it cannot be, and then the list is a leaf."""
    if shape.list_type == "set":
        return f"v:{_compact(value)}" if isinstance(value, str | int | float | bool) else ""
    if not isinstance(value, Mapping):
        return ""
    keys = {key: value.get(key, shape.items.field(key).default) for key in shape.keys}
    return "" if not keys or None in keys.values() else f"k:{_compact(keys)}"


def _compact(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fields_of(document: Json, shape: Shape) -> Fields:
    """Return the fields a document says: its leaves, its elements of lists, and its keys of maps."""
    return frozenset(_said(document, shape, ()))


def _said(value: Json, shape: Shape, path: Path) -> Iterator[Path]:
    parts = children(value, shape)
    if parts is None:
        yield path
        return
    for part in parts:
        here = (*path, part.element)
        deeper = children(part.value, part.shape)
        named = part.element.startswith("f:") and shape.declares(part.element[2:])
        if deeper is None or not deeper or not named:
            yield here
        if deeper:
            yield from _said(part.value, part.shape, here)


def difference(old: Json, new: Json, shape: Shape) -> Difference:
    """Return how a document differs from an older one."""
    sets: tuple[set[Path], set[Path], set[Path]] = (set(), set(), set())
    _compare(old, new, shape, (), sets)
    return Difference(*(frozenset(each) for each in sets))


def _compare(old: Json, new: Json, shape: Shape, path: Path, sets: tuple[set[Path], set[Path], set[Path]]) -> None:
    added, removed, modified = sets
    before = {each.element: each for each in children(old, shape) or ()}
    after = {each.element: each for each in children(new, shape) or ()}
    for element in dict.fromkeys((*before, *after)):
        was, to_be = before.get(element), after.get(element)
        part = was or to_be
        if part is not None:
            values = (was.value if was else _ABSENT, to_be.value if to_be else _ABSENT)
            _compare(*values, part.shape, (*path, element), sets)
    if old is _ABSENT:
        added.add(path)
    elif new is _ABSENT:
        removed.add(path)
    elif _otherwise(old, new, shape):
        modified.add(path)


def _otherwise(old: Json, new: Json, shape: Shape) -> bool:
    """Tell whether a value is another one in itself, and not by its parts."""
    if _granular(old, shape) and _granular(new, shape):
        return type(old) is not type(new)
    return not _same(old, new)


def _granular(value: Json, shape: Shape) -> bool:
    return children(value, shape) is not None


def _same(one: Json, other: Json) -> bool:
    """Tell whether two leaves are the same JSON; to Python, true is 1."""
    return bool(one == other) and _compact(one) == _compact(other)


def merged(live: Json, config: Json, shape: Shape) -> Json:
    """Return a document in which everything a configuration says is so, and the rest stays."""
    parts, wanted = children(live, shape), children(config, shape)
    if parts is None or wanted is None:
        return config
    known = {each.element: each for each in parts}
    new = {each.element: each for each in wanted}
    values = {
        element: merged(known[element].value, new[element].value, new[element].shape)
        if element in known and element in new
        else (new.get(element) or known[element]).value
        for element in _in_order(list(known), list(new))
    }
    return _rebuilt(config, values)


def _in_order(known: list[str], new: list[str]) -> Iterator[str]:
    """Yield the elements of both in the order of the new ones; one that is only known stays behind its neighbour."""
    wanted = set(new)
    behind: dict[str, list[str]] = {}
    shared = ""
    for element in known:
        if element in wanted:
            shared = element
        else:
            behind.setdefault(shared, []).append(element)
    for element in ("", *new):
        if element:
            yield element
        yield from behind.get(element, ())


def pruned(value: Json, shape: Shape, last: Tree, owned: Tree) -> Json:
    """Return a document without what somebody said last time (last), says no more, and nobody else owns (owned)."""
    parts = children(value, shape)
    if parts is None:
        return value
    kept: dict[str, Json] = {}
    for part in parts:
        said, held = last.get(part.element), owned.get(part.element)
        if said is None:
            kept[part.element] = part.value
            continue
        rest = pruned(part.value, part.shape, said, held or {})
        named = part.element.startswith("f:") and shape.declares(part.element[2:])
        was_said = not said or "." in said or named
        if not was_said or held is not None:
            kept[part.element] = rest
    return _rebuilt(value, kept)


def _rebuilt(like: Json, values: Mapping[str, Json]) -> Json:
    if isinstance(like, dict):
        return {element[2:]: value for element, value in values.items()}
    return list(values.values())


def tree(fields: Iterable[Path]) -> Tree:
    """Return a set of fields as FieldsV1 writes it: nested, with `.` for a parent that is itself in the set."""
    root: Tree = {}
    for path in sorted(fields):
        here = root
        for element in path:
            here = here.setdefault(element, {})
        here.setdefault(".", {})
    return _bare(root)


def _bare(node: Tree) -> Tree:
    """Return a tree whose leaves say nothing about themselves."""
    return {} if set(node) == {"."} else {key: _bare(each) if key != "." else {} for key, each in sorted(node.items())}


def untree(node: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Yield the paths of a FieldsV1; a ValueError says that it is none."""
    for element, below in node.items():
        if not isinstance(below, Mapping) or (element != "." and element[:2] not in {"f:", "k:", "v:", "i:"}):
            raise ValueError(f"not a FieldsV1: {element[:80]}")
        if element == ".":
            yield path
        elif below:
            yield from untree(below, (*path, element))
        else:
            yield (*path, element)


def told(path: Path) -> str:
    """Return a path as Kubernetes' messages write it: `.spec.ports[port=80,protocol="TCP"].name`."""
    return "".join(_told(each) for each in path)


def _told(element: str) -> str:
    kind, text = element[:2], element[2:]
    match kind:
        case "k:":
            return "[" + ",".join(f"{key}={_compact(value)}" for key, value in sorted(json.loads(text).items())) + "]"
        case "v:":
            return f"[={text}]"
        case "i:":
            return f"[{text}]"
        case _:
            return f".{text}"
