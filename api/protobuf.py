"""Kubernetes' own kinds in protobuf, as Go clients send them (kubectl since 1.32). Pure.

    body = read_protobuf(raw)     Body(value), as read_json gives

Nothing is written so: every client takes JSON. Source: "Kubernetes protobuf encoding" of the API concepts: four bytes
of magic, then runtime.Unknown, in which the object is. Wire format: https://protobuf.dev/programming-guides/encoding/.
"""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from api.bodies import Body, read_json
from api.protobuf_types import DELETE_OPTIONS, KINDS, Message, Optional, Special
from api.refusals import Refusal, bad_request
from manifests.status import timestamp

PROTOBUF = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_LIMIT = 10

_UNKNOWN: Message = {
    1: ("typeMeta", {1: ("apiVersion", str), 2: ("kind", str)}),
    2: ("raw", bytes),
    3: ("contentEncoding", str),
    4: ("contentType", str),
}

Value = int | bytes


def read_protobuf(raw: bytes) -> Body:
    """Return what a protobuf body holds; Refusal 400 when it is malformed, or of a kind that is not read so."""
    if not raw.startswith(_MAGIC):
        raise _malformed("it does not begin as Kubernetes' protobuf does")
    envelope = _message(raw[len(_MAGIC) :], _UNKNOWN)
    said = envelope.get("typeMeta", {})
    api_version, kind = said.get("apiVersion", ""), said.get("kind", "")
    message = DELETE_OPTIONS if kind == "DeleteOptions" else KINDS.get((api_version, kind))
    if message is None or envelope.get("contentEncoding"):
        raise _malformed(f"{kind[:80]} of {api_version[:80]} is not read as protobuf; send JSON")
    inner = base64.b64decode(envelope.get("raw", ""))
    return Body({"apiVersion": api_version, "kind": kind, **_message(inner, message)})


def _message(raw: bytes, fields: Message) -> dict[str, Any]:
    """Return a message as JSON has it; what is empty is left out as Go does."""
    found: dict[str, Any] = {}
    for number, value in _wire(raw):
        if number not in fields:
            continue
        name, type_ = fields[number]
        if isinstance(type_, list):
            found.setdefault(name, []).append(_value(value, type_[0]))
        elif isinstance(type_, dict) and "*" in type_:
            found.setdefault(name, {}).update(_pair(value, type_["*"]))
        else:
            read = _value(value, type_.type if isinstance(type_, Optional) else type_)
            if isinstance(type_, Optional) or read not in ("", 0, False, None, {}):
                found[name] = read
    return found


def _pair(value: Value, type_: Any) -> dict[str, Any]:  # noqa: ANN401 - a type of api.protobuf_types
    """Return an entry of a map: a message of key and value, either of which may be left out."""
    parts = dict(_wire(_bytes(value)))
    default: Value = b""
    return {_text(parts.get(1, b"")): _value(parts.get(2, default), type_)}


def _value(value: Value, type_: Any) -> Any:  # noqa: ANN401 - a JSON value
    match type_:
        case dict():
            return _message(_bytes(value), type_)
        case Special():
            return _special(_bytes(value), type_)
        case _ if type_ is str:
            return _text(value)
        case _ if type_ is bytes:
            return base64.b64encode(_bytes(value)).decode()
        case _ if not isinstance(value, int):
            raise _malformed("a number is not written as one")
        case _:
            return bool(value) if type_ is bool else _signed(value)


def _special(raw: bytes, type_: Special) -> Any:  # noqa: ANN401 - a JSON value
    parts = dict(_wire(raw))
    match type_:
        case Special.TIME:
            seconds = parts.get(1, 0)
            return _time(_signed(seconds)) if isinstance(seconds, int) and seconds else None
        case Special.QUANTITY:
            return _text(parts.get(1, b""))
        case Special.FIELDS:
            return read_json(_bytes(parts.get(1, b"{}"))).value
        case Special.INT_OR_STRING:
            number = parts.get(2, 0)
            return _text(parts.get(3, b"")) if parts.get(1) else _signed(number) if isinstance(number, int) else 0


def _time(seconds: int) -> str:
    try:
        return timestamp(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        raise _malformed("a time is out of range") from None


def _wire(raw: bytes) -> Iterator[tuple[int, Value]]:
    """Yield the fields of a message by number, as the wire has them."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(raw, at)
            yield number, value
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        elif kind == _BYTES:
            length, at = _varint(raw, at)
            if length > len(raw) - at:
                raise _malformed("it ends too early")
            yield number, raw[at : at + length]
            at += length
        else:
            raise _malformed("it has a field of an unknown wire type")


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(raw[at : at + _VARINT_LIMIT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value & (2**64 - 1), at + shift + 1
    raise _malformed("a number does not end")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _bytes(value: Value) -> bytes:
    if isinstance(value, int):
        raise _malformed("a number stands where a message or a text is wanted")
    return value


def _text(value: Value) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError:
        raise _malformed("a text is not UTF-8") from None


def _malformed(why: str) -> Refusal:
    return bad_request(f"the object provided is unrecognized: {why}")
