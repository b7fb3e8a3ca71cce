"""Field validation: what becomes of fields that a kind does not have, or that are there twice. Pure.

    document, warnings = checked(resource, body, field_validation(query))

Strict refuses them with Kubernetes' "strict decoding error"; Warn drops them and says so in warnings,
each of which becomes a header of the answer; Ignore drops them. Which fields there are is what the kind's model takes.
"""

import copy
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from api.bodies import Body
from api.errors import invalid
from api.refusals import Refusal, bad_request
from api.resources import Resource
from manifests.base import field_path
from manifests.registry import parse

Document = dict[str, Any]

_PASSES = 8
"""A validation may stop early at a field and not see those within; a few passes see everything a manifest has."""

_TOLD = 20
"""How many fields a message names, and of how many an answer warns."""

_WRONG_LIMIT = 10_000
"""How many fields may be unknown or wrong before nobody looks at them one by one: everybody else waits meanwhile."""


class FieldValidation(StrEnum):
    """How strict a request wants to be with itself."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


def field_validation(word: str) -> FieldValidation:
    """Return what a query's `fieldValidation` means; Warn where it says nothing, as in Kubernetes since 1.27."""
    try:
        return FieldValidation(word or FieldValidation.WARN)
    except ValueError:
        known = ", ".join(f'"{each.value}"' for each in FieldValidation)
        raise bad_request(f'fieldValidation: Unsupported value: "{word[:40]}": supported values: {known}') from None


def checked(resource: Resource, body: Body, strictness: FieldValidation) -> tuple[Document, list[str]]:
    """Return the object a body holds without fields its kind does not have, and warnings of them."""
    if not isinstance(body.value, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {resource.kind})")
    document, unknown = known_part(resource, body.value)
    told = [f'unknown field "{path}"' for path in unknown]
    told += [f'duplicate field "{path}"' for path in body.duplicates]
    if told and strictness is FieldValidation.STRICT:
        raise strict_decoding_error(resource, told)
    return document, _shortened(told, " unknown fields") if strictness is FieldValidation.WARN else []


def strict_decoding_error(resource: Resource, told: list[str]) -> Refusal:
    """Return 400 as Kubernetes words it."""
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        f"strict decoding error: {', '.join(_shortened(told))}"
    )


def _shortened(told: list[str], what: str = "") -> list[str]:
    """Return the first sentences, and one that counts the rest: `and 5 more unknown fields`."""
    more = [f"and {len(told) - _TOLD} more{what}"] if len(told) > _TOLD else []
    return [*told[:_TOLD], *more]


def known_part(resource: Resource, document: Mapping[str, Any]) -> tuple[Document, list[str]]:
    """Return a document without the fields its kind does not have, and their paths. It may lack other fields.

    Raises Refusal 400 when more is wrong with it than is worth telling.
    """
    known: Document = dict(document)
    unknown: list[str] = []
    for attempt in range(_PASSES):
        extras = list(_extras(resource, known))
        if not extras:
            break
        if not attempt:
            known = copy.deepcopy(known)
        unknown += [field_path(each["loc"], known) for each in extras]
        for each in extras:
            _drop(known, each["loc"])
    return known, sorted(unknown)


def _extras(resource: Resource, document: Document) -> Iterator[ErrorDetails]:
    try:
        resource.model.model_validate(document, by_name=False)
    except ValidationError as error:
        if error.error_count() > _WRONG_LIMIT:
            why = f"more than {_WRONG_LIMIT} of its fields are unknown or wrong"
            raise bad_request(f"the object provided is unrecognized: {why}") from None
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            if each["type"] == "extra_forbidden":
                yield each


def _drop(document: Document, location: tuple[int | str, ...]) -> None:
    """Remove a field; parts of a location that the document does not have are pydantic's own (a union's member)."""
    here: Any = document
    *way, last = location
    for part in way:
        if isinstance(part, int) or (isinstance(here, dict) and part in here):
            here = here[part]
    if isinstance(here, dict):
        here.pop(last, None)


def addressed(resource: Resource, document: Mapping[str, Any], *, namespace: str = "", name: str = "") -> Document:
    """Return an object with the kind, namespace and name that its path says; Refusal 400 if it says otherwise.

    An empty name means that the path names none (a create).
    """
    said = (document.get("apiVersion") or resource.api_version, document.get("kind") or resource.kind)
    if said[0] != resource.api_version:
        raise bad_request(
            f"the API version in the data ({_short(said[0])}) does not match "
            f"the expected API version ({resource.api_version})"
        )
    if said[1] != resource.kind:
        version = resource.version
        raise bad_request(f'{_short(said[1])} in version "{version}" cannot be handled as a {resource.kind}')
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise invalid(resource, name, [("metadata", "must be an object")])
    if name and metadata.get("name", name) != name:
        raise bad_request(
            f"the name of the object ({_short(metadata['name'])}) does not match the name on the URL ({name})"
        )
    if namespace and metadata.get("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    placed = {"namespace": namespace} if namespace else {}
    named = {"name": name} if name else {}
    whole = {**document, "apiVersion": said[0], "kind": said[1]}
    return {**whole, "metadata": {**metadata, **placed, **named}}


def _short(value: object) -> str:
    return str(value)[:80]


def canonical(document: Mapping[str, Any]) -> Document:
    """Return an object as it is stored: defaults filled in, quantities in one form; what the server adds is kept.

    Raises InvalidManifestError naming every field that is wrong.
    """
    stored = parse(document).document()
    metadata = {**(document.get("metadata") or {}), **stored["metadata"]}
    status = {"status": document["status"]} if "status" in document else {}
    return {**stored, **status, "metadata": metadata}
