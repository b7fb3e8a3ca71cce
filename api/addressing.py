"""What a request is about: its path and method taken apart as Kubernetes does (RequestInfo in apiserver). Pure.

A path is taken apart as it came over the wire, segment by segment, and only then decoded: what looks like one segment
is one, and nothing that is authorised under one name is served under another.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from domain.names import check_label, check_name

_ENCODED = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class PathError(ValueError):
    """A path nobody writes by mistake: an empty, dotted, encoded or unprintable segment."""


@dataclass(frozen=True)
class Address:
    """Which resource a path names. Everything that is not there is empty.

    rest: segments behind the subresource (`portforward/22` has one).
    """

    api_version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: tuple[str, ...] = ()


_NAMESPACE_PARTS = {"status", "finalize"}
"""Subresources of a Namespace; anything else behind its name is a resource in it."""


def segments(raw_path: bytes) -> list[str]:
    """Return the decoded segments of a path; raises PathError for one that could mean something else to somebody."""
    if _ENCODED.search(raw_path):
        raise PathError("the path has a broken percent-encoding")
    parts = raw_path.removeprefix(b"/").removesuffix(b"/").split(b"/") if raw_path.strip(b"/") else []
    return [_segment(part) for part in parts]


def _segment(part: bytes) -> str:
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise PathError("the path is not UTF-8") from None
    if text in {"", ".", ".."}:
        raise PathError("the path has an empty or a relative segment")
    if "/" in text or "\\" in text or not text.isprintable():
        raise PathError("the path has a segment with a slash or an unprintable character in it")
    return text


def address(parts: list[str]) -> Address | None:
    """Return which resource a path under /api or /apis names; None for one that names none (discovery, or nothing)."""
    match parts:
        case ["api", version, first, *rest]:
            return _resource(version, [first, *rest])
        case ["apis", group, version, first, *rest]:
            return _resource(f"{group}/{version}", [first, *rest])
        case _:
            return None


def _resource(api_version: str, parts: list[str]) -> Address:
    match parts:
        case ["namespaces", name]:
            return Address(api_version, "namespaces", namespace=name, name=name)
        case ["namespaces", name, part] if part in _NAMESPACE_PARTS:
            return Address(api_version, "namespaces", namespace=name, name=name, subresource=part)
        case ["namespaces", namespace, *rest] if rest:
            return _within(api_version, namespace, rest)
        case _:
            return _within(api_version, "", parts)


def _within(api_version: str, namespace: str, rest: list[str]) -> Address:
    plural, name, subresource = (*rest, "", "", "")[:3]
    return Address(api_version, plural, namespace, name, subresource, tuple(rest[3:]))


def verb(method: str, found: Address, *, watch: bool) -> str:
    """Return what a method does to what a path names, as authorisation and discovery call it; empty when nothing."""
    one = bool(found.name)
    words = {
        "GET": "get" if one else "watch" if watch else "list",
        "POST": "create" if not one or found.subresource else "",
        "PUT": "update" if one else "",
        "PATCH": "patch" if one else "",
        "DELETE": "delete" if one else "deletecollection",
    }
    return words.get("GET" if method == "HEAD" else method, "")


def check(found: Address) -> str:
    """Return what is wrong with the names in a path: no object can be called so. Empty when nothing is."""
    try:
        if found.namespace:
            check_label(found.namespace)
        if found.name:
            check_name(found.name)
    except ValueError as error:
        return str(error)
    return ""
