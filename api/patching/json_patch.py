"""JSON patch (RFC 6902), by the jsonpatch library, with Kubernetes' limits and its words for what fails."""

import json
from http import HTTPStatus
from typing import Any

import jsonpatch
import jsonpointer

from api.refusals import Refusal, bad_request, too_large

OPERATIONS_LIMIT = 10_000
"""Operations of one patch, as in Kubernetes."""

COPIED_LIMIT = 3 * 1024 * 1024
"""Bytes that `copy` may add, as in Kubernetes: a few copies of copies would fill any memory."""

_REJECTED = "the server rejected our request due to an error in our request"


def json_patched(live: dict[str, Any], operations: object) -> object:
    """Return what an object becomes; raises Refusal 400 for what is no patch, 422 for one that does not fit."""
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(operations) > OPERATIONS_LIMIT:
        message = f"The allowed maximum operations in a JSON patch is {OPERATIONS_LIMIT}, got {len(operations)}"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", message)
    document: object = json.loads(json.dumps(live))
    copied = 0
    for operation in operations:
        try:
            if operation.get("op") == "copy":
                copied += _size(document, operation)
                if copied > COPIED_LIMIT:
                    raise too_large(COPIED_LIMIT)
            document = jsonpatch.JsonPatch([operation]).apply(document, in_place=True)
        except (jsonpatch.InvalidJsonPatch, TypeError, AttributeError) as error:
            raise bad_request(f"error decoding patch: {str(error)[:200]}") from None
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
            message = f"{_REJECTED}: {_told(operation, error)}"
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message) from None
    return document


def _size(document: object, operation: dict[str, Any]) -> int:
    """Return the bytes of what a copy adds."""
    return len(json.dumps(jsonpointer.resolve_pointer(document, str(operation.get("from", "")))))


def _told(operation: dict[str, Any], error: Exception) -> str:
    """Return what failed. No value is repeated: it may be a secret."""
    path = str(operation.get("path", ""))[:200]
    if isinstance(error, jsonpatch.JsonPatchTestFailed):
        return f"testing path {path} failed"
    return f"{operation['op']} operation does not apply: path {path} is missing or of another type"
