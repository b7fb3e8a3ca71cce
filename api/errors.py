"""How what goes wrong is answered, in Kubernetes' words: each function returns a `Refusal` to raise (or to send).

    refusal_of(problem, resource, name)    what a Problem of the layers below means over REST
    invalid(resource, name, causes)        422 VirtualServer.tensorstack.dev "web" is invalid: spec.y: Invalid value: …
    forbidden(user, verb, resource, ...)   403; unsupported_media_type 415; not_acceptable 406; watch_expired 410; …

The simpler ones (404, 409, 413, …) are in `api.refusals`. Sources: `apimachinery/pkg/api/errors` for codes, reasons and
wording; `util/validation/field` for causes.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from api.refusals import Refusal, about, already_exists, conflict, expired, not_found, too_many, unavailable
from api.resources import Resource
from domain.problem import Problem, Verdict
from manifests.base import InvalidManifestError

_CAUSES_TOLD = 10
"""How many causes the message of a Status names; `details.causes` has more."""
_CAUSES_LIMIT = 100
"""How many causes a Status carries: a hostile manifest may have a million."""

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
"""Why a write with an outdated resourceVersion is refused."""


class Cause(NamedTuple):
    """One thing that is wrong; reason is a word of Kubernetes' causes."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def document(self) -> dict[str, str]:
        """Return the cause as a Status has it."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


def success(resource: Resource, name: str, uid: str) -> dict[str, Any]:
    """Return the Status that answers a delete that is done."""
    details = {**about(resource, name), "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


class Attempt(NamedTuple):
    """What somebody tried: a verb of Kubernetes' authorization on a resource or a part of it, somewhere."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    part: str = ""


def forbidden(user: str, tried: Attempt) -> Refusal:
    """Return 403: who asks may not do that there."""
    resource = tried.resource
    where = f'in the namespace "{tried.namespace}"' if tried.namespace else "at the cluster scope"
    which = f"{resource.plural}/{tried.part}" if tried.part else resource.plural
    subject = f'{resource.qualified} "{tried.name}"' if tried.name else resource.qualified
    message = (
        f'{subject} is forbidden: User "{user}" cannot {tried.verb} resource "{which}" '
        f'in API group "{resource.group}" {where}'
    )
    return Refusal(HTTPStatus.FORBIDDEN, "Forbidden", message, details=about(resource, tried.name))


def ending(resource: Resource, namespace: str) -> Refusal:
    """Return 403: nothing new is created in a namespace that is being deleted."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    causes = [Cause("metadata.namespace", f"namespace {namespace} is being terminated", "NamespaceTerminating")]
    message = f"{resource.qualified} is forbidden: {why}"
    return Refusal(HTTPStatus.FORBIDDEN, "Forbidden", message, details=_details(about(resource), causes))


def not_acceptable(accepted: Iterable[str]) -> Refusal:
    """Return 406: the client takes nothing that is offered."""
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return Refusal(HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable", message)


def apply_conflict(message: str, causes: Iterable[Cause]) -> Refusal:
    """Return 409: an apply would take fields from other managers."""
    return Refusal(HTTPStatus.CONFLICT, "Conflict", message, details=_details({}, causes))


def watch_expired(wanted: int, oldest: int) -> Refusal:
    """Return 410 for a watch from before what is remembered."""
    return expired(f"too old resource version: {wanted} ({oldest})")


def continue_expired() -> Refusal:
    """Return 410 for the continuation of a list that nobody remembers."""
    return expired(
        "The provided continue parameter is too old to display a consistent list result. "
        "You must start a new list without the continue parameter."
    )


def unsupported_media_type(accepted: Iterable[str]) -> Refusal:
    """Return 415: the body is of a kind that is not read here."""
    told = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {told}"
    return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)


def invalid(resource: Resource, name: str, causes: Iterable[tuple[str, str]]) -> Refusal:
    """Return 422: the object is well-formed and wrong; causes are (field, message), each told as a field error.

    No message repeats a value: it may hold a secret.
    """
    found = list(causes)
    told = [cause(field, message) for field, message in found[:_CAUSES_LIMIT]]
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f'{kind} "{name}" is invalid: {_aggregate(told, len(found))}'
    details = _details({**about(resource, name), "kind": resource.kind}, told)
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message, details=details)


def internal(message: str) -> Refusal:
    """Return 500: a mistake of the gateway."""
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", f"Internal error occurred: {message}")


def timed_out(message: str, seconds: int = 1) -> Refusal:
    """Return 504: nobody knows whether it happened."""
    retry = {"Retry-After": str(seconds)}
    return Refusal(
        HTTPStatus.GATEWAY_TIMEOUT, "Timeout", message, details={"retryAfterSeconds": seconds}, headers=retry
    )


def refusal_of(problem: Problem, resource: Resource, name: str) -> Refusal:
    """Return what a problem of the layers below means to somebody who asks for this object."""
    if isinstance(problem, InvalidManifestError):
        return invalid(resource, name, problem.causes)
    if problem.reason in _MEANINGS:
        return _MEANINGS[problem.reason](resource, name, problem.message)
    if problem.verdict is Verdict.TERMINAL:
        return invalid(resource, name, [(problem.field, problem.message)])
    return unavailable(str(problem))


def _forbidden(resource: Resource, name: str, why: str) -> Refusal:
    message = f'{resource.qualified} "{name}" is forbidden: {why}'
    return Refusal(HTTPStatus.FORBIDDEN, "Forbidden", message, details=about(resource, name))


_MEANINGS: Mapping[str, Callable[[Resource, str, str], Refusal]] = {
    "NotFound": lambda resource, name, _: not_found(resource, name),
    "AlreadyExists": lambda resource, name, _: already_exists(resource, name),
    "Conflict": lambda resource, name, why: conflict(resource, name, why or MODIFIED),
    "Forbidden": _forbidden,
    "TooManyRequests": lambda _resource, _name, _why: too_many(),
}
"""What a problem's reason means where Kubernetes has the same word."""

_WORDS = {
    "required": ("FieldValueRequired", "Required value"),
    "unknown field": ("FieldValueForbidden", "Forbidden: unknown field"),
}
"""Messages that Kubernetes has words of its own for: its reason, its words."""

_FORBIDDEN = ("immutable", "field is immutable", "spec is immutable", "not supported yet")
"""How messages begin about values that are right elsewhere."""


def cause(field: str, message: str) -> Cause:
    """Return a field and a message as Kubernetes' field errors say them."""
    if message in _WORDS:
        reason, words = _WORDS[message]
        return Cause(field, words, reason)
    if message.startswith(_FORBIDDEN):
        return Cause(field, f"Forbidden: {message}", "FieldValueForbidden")
    return Cause(field, f"Invalid value: {message}")


def _aggregate(causes: list[Cause], total: int) -> str:
    """Return the causes as Kubernetes' aggregated errors are written: one as it stands, several in brackets."""
    told = [f"{each.field}: {each.message}" if each.field else each.message for each in causes[:_CAUSES_TOLD]]
    if total > _CAUSES_TOLD:
        told.append(f"and {total - _CAUSES_TOLD} more")
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]"


def _details(named: Mapping[str, Any], causes: Iterable[Cause]) -> dict[str, Any]:
    told = [each.document() for each in causes]
    return {**named, "causes": told[:_CAUSES_LIMIT]}
