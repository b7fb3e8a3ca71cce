"""Selectors: which objects a list or a watch is about. Pure.

    matches = label_selector("app=web,tier in (a, b),!old")   a predicate over objects
    matches = field_selector("metadata.name=web", known)      the same, over fields

Both raise `Refusal` 400 in Kubernetes' words. An empty selector fits everything. A selector only ever narrows: which
namespace is looked at is decided elsewhere. Source: `apimachinery/pkg/labels` and `apimachinery/pkg/fields`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from api.refusals import Refusal, bad_request

Predicate = Callable[[Mapping[str, Any]], bool]

LIMIT = 4096
"""Characters of a selector; a URL has room for not much more."""

_TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_SYMBOLS = frozenset({"==", "!=", "=", "!", "<", ">", "(", ")", ","})
_OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")
_END = ""


def label_selector(text: str) -> Predicate:
    """Return whether an object's labels fit; every requirement, separated by commas, must."""
    requirements = list(_requirements(_Tokens(_short(text))))

    def fits(document: Mapping[str, Any]) -> bool:
        labels = document.get("metadata", {}).get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return fits


Requirement = Callable[[Mapping[str, str]], bool]


class _Tokens:
    """The words and symbols of a selector, one looked at before it is taken; the last is followed by ends."""

    def __init__(self, text: str) -> None:
        self._tokens = [match[1] for match in _TOKEN.finditer(text)]
        self._at = 0

    @property
    def next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    @property
    def word(self) -> bool:
        """Whether the next token is a word."""
        return self.next not in _SYMBOLS and self.next != _END

    def take(self) -> str:
        token = self.next
        self._at += 1
        return token


def _requirements(tokens: _Tokens) -> Iterator[Requirement]:
    while tokens.next != _END:
        if not tokens.word and tokens.next != "!":
            raise bad_request(f"found '{tokens.next}', expected: !, identifier, or 'end of string'")
        yield _requirement(tokens)
        if (separator := tokens.take()) == _END:
            return
        if separator != ",":
            raise bad_request(f"found '{separator}', expected: ',' or 'end of string'")
        if not tokens.word and tokens.next != "!":
            raise bad_request(f"found '{tokens.next}', expected: identifier after ','")


def _requirement(tokens: _Tokens) -> Requirement:
    absent = tokens.next == "!" and bool(tokens.take())
    if not tokens.word:
        raise _unparsable(f"found '{tokens.next}', expected: identifier")
    key = tokens.take()
    if not _KEY.fullmatch(key):
        raise _unparsable(
            f"<nil>: Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character"
        )
    if absent:
        return lambda labels: key not in labels
    if tokens.next in {_END, ","}:
        return lambda labels: key in labels
    return _compared(key, tokens)


def _compared(key: str, tokens: _Tokens) -> Requirement:
    match tokens.take():
        case "=" | "==":
            value = _value(key, _exact(tokens))
            return lambda labels: labels.get(key) == value
        case "!=":
            value = _value(key, _exact(tokens))
            return lambda labels: labels.get(key) != value
        case "in":
            values = {_value(key, each) for each in _values(tokens)}
            return lambda labels: labels.get(key) in values
        case "notin":
            values = {_value(key, each) for each in _values(tokens)}
            return lambda labels: labels.get(key) not in values
        case (">" | "<") as sign:
            bound = _integer(_exact(tokens))
            return lambda labels: _beyond(labels.get(key), bound, above=sign == ">")
        case other:
            raise _unparsable(f"found '{other}', expected: {', '.join(_OPERATORS)}")


def _exact(tokens: _Tokens) -> str:
    """Return the one value after `=`; nothing there means the empty value."""
    if tokens.next in {_END, ","}:
        return ""
    if not tokens.word:
        raise _unparsable(f"found '{tokens.next}', expected: identifier")
    return tokens.take()


def _values(tokens: _Tokens) -> Iterator[str]:
    """Yield the values in brackets; `(a,)` has the empty value, too."""
    if (opening := tokens.take()) != "(":
        raise _unparsable(f"found '{opening}', expected: '('")
    while True:
        yield tokens.take() if tokens.word else ""
        match tokens.take():
            case ")":
                return
            case ",":
                continue
            case other:
                raise _unparsable(f"found '{other}', expected: ',', or ')'")


def _value(key: str, value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise _unparsable(
            f'values[0][{key}]: Invalid value: "{value}": a valid label must be an empty string or consist of '
            "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
        )
    return value


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise _unparsable(
            f"values[0]: Invalid value: \"{text}\": for 'Gt', 'Lt' operators, the value must be an integer"
        )
    return int(text)


def _beyond(value: str | None, bound: int, *, above: bool) -> bool:
    if value is None or not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        return False
    return int(value) > bound if above else int(value) < bound


def _unparsable(message: str) -> Refusal:
    return bad_request(f"unable to parse requirement: {message}")


_SELECTABLE = frozenset({
    "metadata.name", "metadata.namespace", "type", "reason", "source", "source.component", "reportingComponent",
})  # fmt: skip


def selectable(path: str) -> bool:
    """Tell whether objects may be selected by a field: what they are called, wanted to be and are, and of Events."""
    return path in _SELECTABLE or path.startswith(("spec.", "status.", "involvedObject.", "regarding."))


def field_selector(text: str, known: Callable[[str], bool] = selectable) -> Predicate:
    """Return whether an object's fields fit `path=value` or `path!=value`; known tells which paths there are.

    Backslashes escape commas, equal signs and themselves. A field that is not there is an empty one.
    """
    terms = [_term(text, part) for part in _split(_short(text)) if part]
    for path, _, _ in terms:
        if not known(path):
            raise bad_request(f"field label not supported: {path}")

    def fits(document: Mapping[str, Any]) -> bool:
        return all((field(document, path) == value) is equal for path, equal, value in terms)

    return fits


def field(document: Mapping[str, Any], path: str) -> str:
    """Return a field's value as selectors compare it: a text; empty when it is not there or not a scalar."""
    here: Any = document
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    if isinstance(here, bool):
        return "true" if here else "false"
    return str(here) if isinstance(here, str | int | float) else ""


def _split(text: str) -> list[str]:
    """Return the terms: what stands between commas that are not escaped."""
    return re.findall(r"(?:\\.|[^,\\])+|\\$", text, re.DOTALL)


def _term(whole: str, text: str) -> tuple[str, bool, str]:
    match = re.fullmatch(r"((?:\\.|[^=!\\])*)(!=|==|=)((?:\\.|[^=,\\])*)", text, re.DOTALL)
    if not match:
        raise bad_request(f"invalid selector: '{whole}'; can't understand '{text}'")
    if "\\" in re.sub(r"\\[\\,=]", "", match[3]):
        raise bad_request(f"invalid field selector: invalid escape sequence: {match[3]}")
    return match[1].strip(), match[2] != "!=", re.sub(r"\\(.)", r"\1", match[3])


def _short(text: str) -> str:
    if len(text) > LIMIT:
        raise bad_request(f"a selector has at most {LIMIT} characters")
    return text
