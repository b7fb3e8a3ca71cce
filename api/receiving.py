"""What a client sends: the body within limits, of a media type that is read here, and the object in it."""

import secrets
import zlib

from starlette.requests import ClientDisconnect, Request

from api.bodies import LIMIT, Body, read_json, read_yaml
from api.cache import Document
from api.calls import Call
from api.errors import unsupported_media_type
from api.media import JSON, YAML, media_type
from api.protobuf import PROTOBUF, read_protobuf
from api.refusals import Refusal, bad_request, too_large
from api.validation import addressed, checked, field_validation

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' safe alphabet for generated names."""

_GENERATED = 5
_PREFIX_LIMIT = 58
"""Characters of `generateName` that are kept, as in Kubernetes."""


_READERS = {JSON: read_json, YAML: read_yaml, PROTOBUF: read_protobuf}

TYPES = tuple(_READERS)
"""Media types of objects and options."""


async def raw(request: Request, accepted: tuple[str, ...], default: str = "") -> tuple[bytes, str]:
    """Return the body and its media type; Refusal 413, 415 or 400.

    accepted: media types that are read here; default: what a body without a media type is.
    """
    kind = media_type(request.headers.get("content-type", default))[0]
    if kind not in accepted:
        raise unsupported_media_type(accepted)
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > LIMIT:
        raise too_large(LIMIT)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LIMIT:
                raise too_large(LIMIT)
    except ClientDisconnect:
        raise bad_request("the request ended before its body did") from None
    return _unpacked(bytes(body), request.headers.get("content-encoding", "").lower()), kind


async def options(request: Request) -> dict[str, object]:
    """Return the options that come with a request, as DeleteOptions do; an empty body has none."""
    body, kind = await raw(request, TYPES, default=JSON)
    value = _READERS[kind](body).value if body.strip() else {}
    if not isinstance(value, dict):
        raise bad_request("the body is not an object")
    return value


async def sent(request: Request, call: Call) -> Document:
    """Return the object in the body, as its path names it; what the kind does not have is refused, or warned of."""
    body, kind = await raw(request, TYPES, default=JSON)
    return accepted(call, _READERS[kind](body))


def accepted(call: Call, body: Body) -> Document:
    """Return the object a body holds, without fields its kind does not have."""
    document, warnings = checked(call.resource, body, field_validation(call.query.get("fieldValidation", "")))
    call.warnings.extend(warnings)
    namespace = call.address.namespace if call.resource.namespaced else ""
    return addressed(call.resource, document, namespace=namespace, name=call.address.name)


def configuration(call: Call, body: bytes) -> Document:
    """Return what is applied: YAML, of which JSON is a part."""
    return accepted(call, read_yaml(body))


def generated(document: Document) -> Document:
    """Return an object with a name: its own, or one made from `generateName`."""
    metadata = document["metadata"]
    prefix = metadata.get("generateName")
    if metadata.get("name") or not isinstance(prefix, str) or not prefix:
        return document
    suffix = "".join(secrets.choice(_LETTERS) for _ in range(_GENERATED))
    return {**document, "metadata": {**metadata, "name": prefix[:_PREFIX_LIMIT] + suffix}}


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Return a body without its compression, never more of it than the limit."""
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise Refusal(415, "UnsupportedMediaType", f"a body is not read in encoding {encoding[:40]!r}; send it plain")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, LIMIT + 1)
    except zlib.error:
        raise bad_request("the body is not gzip") from None
    if len(plain) > LIMIT:
        raise too_large(LIMIT)
    return plain
