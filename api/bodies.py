"""Bodies of requests, read so that no body harms: JSON and YAML into plain JSON values. Pure.

    body = read_json(raw)     Body(value, duplicates=("spec.cores",))
    body = read_yaml(raw)     JSON is YAML, and is read as JSON

Both raise `Refusal`: 413 for a body that is too large, 400 for one that is malformed, nested too deep, not UTF-8, or
has numbers no other program could read (NaN, infinities, more than 64 bits). YAML aliases are refused: a few lines of
them stand for gigabytes. Keys that are there twice are told of; the last one counts, as in Kubernetes.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from api.refusals import Refusal, bad_request, too_large

Json = Any

LIMIT = 3 * 1024 * 1024
"""Bytes of a body, as in Kubernetes."""

DEPTH_LIMIT = 100
"""How deep a body nests; no kind comes near it."""

NODES_LIMIT = 100_000
"""Values in a YAML body: reading each costs a hundred times what it costs in JSON."""

_HALF = re.compile("[\ud800-\udfff]")
_INTEGERS = range(-(2**63), 2**64)
_DIGITS_LIMIT = 20


@dataclass(frozen=True)
class Body:
    """What a body holds; duplicates: paths of the fields that are there more than once."""

    value: Json
    duplicates: tuple[str, ...] = ()


class _Twice(dict[str, Json]):
    """An object in which keys were there more than once."""

    def __init__(self, pairs: list[tuple[str, Json]]) -> None:
        super().__init__(pairs)
        self.names = tuple(name for name, times in Counter(key for key, _ in pairs).items() if times > 1)


def read_json(raw: bytes, *, limit: int = LIMIT) -> Body:
    """Return what a JSON body holds."""
    text = _text(raw, limit)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_real,
            parse_constant=_constant,
        )
    except RecursionError:
        raise too_deep() from None
    except json.JSONDecodeError as error:
        raise _malformed(f"json parse error: {error.msg} at byte {error.pos}") from None
    return examined(value)


def read_yaml(raw: bytes, *, limit: int = LIMIT) -> Body:
    """Return what a YAML body holds: one document, of JSON's types only."""
    text = _text(raw, limit)
    if text.lstrip()[:1] in {"{", "["}:
        try:
            return read_json(raw, limit=limit)
        except Refusal as refusal:
            if "json parse error" not in refusal.message:
                raise
    try:
        _check_events(text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _malformed(f"yaml parse error{f' in line {mark.line + 1}' if mark else ''}") from None
    return examined(_plain(node) if node else None)


def _text(raw: bytes, limit: int) -> str:
    if len(raw) > limit:
        raise too_large(limit)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _malformed("the body is not UTF-8") from None


def examined(value: Json) -> Body:
    """Return a value as a body; Refusal 400 if it is too deep or holds half characters."""
    level, twice = [value], False
    for _ in range(DEPTH_LIMIT + 1):
        below: list[Json] = []
        for here in level:
            if isinstance(here, dict):
                twice = twice or isinstance(here, _Twice)
                _check_characters(*here)
                below.extend(here.values())
            elif isinstance(here, list):
                below.extend(here)
            elif isinstance(here, str):
                _check_characters(here)
        if not below:
            return Body(value, tuple(sorted(_duplicates(value, ""))) if twice else ())
        level = below
    raise too_deep()


def _duplicates(value: Json, path: str) -> Iterator[str]:
    """Yield the paths of keys that are there more than once; it is known by now how deep the value is."""
    if isinstance(value, _Twice):
        yield from (f"{path}.{name}".removeprefix(".") for name in value.names)
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _duplicates(each, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _duplicates(each, f"{path}[{place}]")


def _check_characters(*texts: str) -> None:
    """Refuse halves of surrogate pairs: JSON can escape them, and nothing can store them."""
    for text in texts:
        if not text.isascii() and _HALF.search(text):
            raise _malformed("a text has half a surrogate pair")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(pairs)


def _integer(text: str) -> int:
    if len(text) > _DIGITS_LIMIT:
        raise _too_large()
    return _fitting(int(text))


def _fitting(number: int) -> int:
    if number not in _INTEGERS:
        raise _too_large()
    return number


def _too_large() -> Refusal:
    return _malformed("a number has more than 64 bits")


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed("a number is out of range")
    return value


def _constant(text: str) -> Json:
    raise _malformed(f"{text} is no JSON number")


def _check_events(text: str) -> None:
    """Refuse aliases, nesting that would fill the stack and endless lists, before anything is built."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise _malformed("YAML aliases are not accepted; write the value where it is meant")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_LIMIT:
            raise too_deep()
        if count > NODES_LIMIT:
            raise _malformed(f"a YAML body has at most {NODES_LIMIT} values; send JSON")


_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"yes", "true", "on"})


def _yaml_integer(text: str) -> Json:
    """Return a number in YAML 1.1's decimal, octal or hexadecimal form; anything else (1:30) is a text to Go."""
    digits = text.replace("_", "")
    try:
        return _integer(digits) if not digits.lstrip("+-").startswith("0") else _fitting(int(digits, 0))
    except ValueError:
        octal = re.fullmatch("[+-]?0[0-7]+", digits)
        return _fitting(int(digits, 8)) if octal else text


def _yaml_real(text: str) -> Json:
    try:
        return _real(text.replace("_", "").lstrip("+"))
    except ValueError:
        if text.lower().lstrip("+-") in {".inf", ".nan"}:
            raise _constant(text) from None
        return text


_SCALARS: dict[str, Callable[[str], Json]] = {
    f"{_TAG}null": lambda _: None,
    f"{_TAG}bool": lambda text: text.lower() in _TRUE,
    f"{_TAG}int": _yaml_integer,
    f"{_TAG}float": _yaml_real,
    f"{_TAG}str": str,
    f"{_TAG}timestamp": str,
    f"{_TAG}value": str,
}
"""How a scalar is read, by its tag; dates stay texts, as JSON has no dates."""


def _plain(node: yaml.Node) -> Json:
    """Return the JSON value of a node; it nests no deeper than was checked."""
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
        return _object([(_key(key), _plain(value)) for key, value in node.value])
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
        return [_plain(each) for each in node.value]
    if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
        return _SCALARS[node.tag](node.value)
    raise _malformed(f"the YAML tag {node.tag[:80]} is not accepted")


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag == f"{_TAG}merge":
        raise _malformed("a YAML key is a text")
    value = _plain(node)
    return value if isinstance(value, str) else json.dumps(value)


def _malformed(why: str) -> Refusal:
    return bad_request(f"the object provided is unrecognized: {why}")


def too_deep() -> Refusal:
    """Refuse what nests deeper than anything here does."""
    return _malformed(f"it nests deeper than {DEPTH_LIMIT} levels")
