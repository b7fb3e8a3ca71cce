"""How objects are written: as they are, as a Table, or as metadata alone; compressed for who takes that."""

import gzip
import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from api.cache import Document
from api.calls import Call
from api.media import JSON, Form
from api.reading import Part
from api.refusals import Refusal
from api.resources import Resource
from api.streaming import BOOKMARK, Event
from api.tables import include_object, partial, partial_list, table

_COMPRESSED_FROM = 128 * 1024
"""Bytes from which compressing pays, as in Kubernetes."""

_LEVEL = 1
"""What gzip saves beyond this costs more time than the network does."""


def encoded(document: Any) -> bytes:  # noqa: ANN401 - JSON
    """Return a document as JSON, on one line."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def answer(call: Call, document: Document, status: int = HTTPStatus.OK) -> Response:
    """Return one object in the form the client asked for."""
    match call.form:
        case Form.TABLE:
            document = _table(call, [document], {"resourceVersion": document["metadata"].get("resourceVersion", "")})
        case Form.PARTIAL | Form.PARTIAL_LIST:
            document = partial(document)
        case _:
            document = _headed(call.resource, document)
    return respond(document, status, call.headers.get("accept-encoding", ""), call.warnings)


def listed(call: Call, part: Part) -> Response:
    """Return a list, or a part of one."""
    metadata: dict[str, Any] = {"resourceVersion": str(part.stamp)}
    if part.continued:
        metadata["continue"] = part.continued
    if part.remaining is not None:
        metadata["remainingItemCount"] = part.remaining
    return respond(_list(call, part.documents, metadata), HTTPStatus.OK, call.headers.get("accept-encoding", ""))


def told(call: Call, event: Event, *, first: bool) -> bytes:
    """Return an event of a watch: one line. What many watchers ask for is written once."""
    if event.change is None or call.form is Form.TABLE:
        return _line(event.word, _object(call, event, first=first))
    form = f"{event.word} {call.form}"
    if form not in event.change.forms:
        event.change.forms[form] = _line(event.word, _object(call, event, first=first))
    return event.change.forms[form]


def respond(
    document: Any,  # noqa: ANN401 - JSON
    status: int = HTTPStatus.OK,
    encodings: str = "",
    warnings: list[str] | None = None,
    content_type: str = JSON,
) -> Response:
    """Return a document as an answer."""
    body, headers = encoded(document), {}
    if len(body) >= _COMPRESSED_FROM and "gzip" in encodings:
        body = gzip.compress(body, _LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
        headers["Vary"] = "Accept-Encoding"
    response = Response(body, status, headers, media_type=content_type)
    for warning in warnings or []:
        response.headers.append("Warning", warning_header(warning))
    return response


def refused(refusal: Refusal) -> Response:
    """Return a refusal as an answer."""
    response = respond(refusal.status(), refusal.code)
    response.headers.update(refusal.headers)
    return response


def _list(call: Call, documents: list[Document], metadata: dict[str, Any]) -> Document:
    resource = call.resource
    match call.form:
        case Form.TABLE:
            return _table(call, documents, metadata)
        case Form.PARTIAL | Form.PARTIAL_LIST:
            return partial_list(documents, metadata)
        case _:
            return {
                "kind": f"{resource.kind}List",
                "apiVersion": resource.api_version,
                "metadata": metadata,
                "items": [_headed(resource, each) for each in documents],
            }


def _object(call: Call, event: Event, *, first: bool) -> Document:
    """Return what an event tells of, in the form that was asked for; a Status is always one."""
    if event.word == "ERROR":
        return event.document
    match call.form:
        case Form.TABLE:
            rows = [] if event.word == BOOKMARK else [event.document]
            version = {"resourceVersion": event.document["metadata"].get("resourceVersion", "")}
            return _table(call, rows, event.document["metadata"] if event.word == BOOKMARK else version, headed=first)
        case Form.PARTIAL | Form.PARTIAL_LIST:
            return partial(event.document)
        case _:
            return _headed(call.resource, event.document)


def _headed(resource: Resource, document: Document) -> Document:
    """Return an object that says what it is, also when whoever declared it got that wrong."""
    return {**document, "apiVersion": resource.api_version, "kind": resource.kind}


def _table(call: Call, documents: list[Document], metadata: dict[str, Any], *, headed: bool = True) -> Document:
    include = include_object(call.query.get("includeObject", ""))
    return table(call.resource, documents, now=datetime.now(UTC), include=include, metadata=metadata, headed=headed)


def _line(word: str, document: Document) -> bytes:
    return encoded({"type": word, "object": document}) + b"\n"


def warning_header(text: str) -> str:
    """Return a warning as the value of a `Warning` header (RFC 7234, code 299); no line ends, ASCII."""
    plain = text.encode("ascii", "backslashreplace").decode()
    visible = "".join(each if each.isprintable() else " " for each in plain)[:1000]
    quoted = visible.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'
