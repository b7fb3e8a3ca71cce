"""Refusals: an error as the gateway answers it, and the simple ones; api/errors.py has those that say more.

Source of codes and reasons: metav1.StatusReason in Kubernetes' API machinery.
"""

from typing import Any

from api.resources import Resource


class Refusal(Exception):
    """An answer that is an error.

    reason:  Kubernetes' word, which clients act on.
    details: metav1.StatusDetails, for what the refusal is about.
    headers: of the answer.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.headers = headers or {}

    def status(self) -> dict[str, Any]:
        """Return the metav1.Status that says so."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": self.details} if self.details else {}),
            "code": self.code,
        }


def about(resource: Resource, name: str = "") -> dict[str, Any]:
    """Return the details of a refusal that concerns an object, or a resource as a whole."""
    named = {"name": name} if name else {}
    group = {"group": resource.group} if resource.group else {}
    return {**named, **group, "kind": resource.plural}


def bad_request(message: str) -> Refusal:
    """Refuse what cannot be understood."""
    return Refusal(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> Refusal:
    """Refuse somebody unknown."""
    return Refusal(401, "Unauthorized", message, headers={"WWW-Authenticate": 'Bearer realm="vmflow"'})


def impersonated(who: str, whom: str) -> Refusal:
    """Refuse to act as somebody else, in Kubernetes' words: nobody may."""
    message = f'users "{whom}" is forbidden: User "{who}" cannot impersonate resource "users" at the cluster scope'
    return Refusal(403, "Forbidden", message)


def not_found(resource: Resource, name: str) -> Refusal:
    """Say that there is no such object."""
    return Refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', details=about(resource, name))


def nothing_there() -> Refusal:
    """Say that nothing is served under a path."""
    return Refusal(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed(allowed: str = "") -> Refusal:
    """Refuse a method that does nothing to what a path names."""
    message = "the server does not allow this method on the requested resource"
    return Refusal(405, "MethodNotAllowed", message, headers={"Allow": allowed} if allowed else {})


def already_exists(resource: Resource, name: str) -> Refusal:
    """Refuse to create what is there."""
    return Refusal(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', details=about(resource, name))


def conflict(resource: Resource, name: str, why: str) -> Refusal:
    """Refuse what is outdated or cannot be done now."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Refusal(409, "Conflict", message, details=about(resource, name))


def expired(message: str) -> Refusal:
    """Refuse to go on from where a client was: it must begin anew."""
    return Refusal(410, "Expired", message)


def too_large(limit: int) -> Refusal:
    """Refuse a body that is too large."""
    return Refusal(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def too_many(seconds: int = 1) -> Refusal:
    """Ask a client to slow down."""
    return Refusal(
        429,
        "TooManyRequests",
        "too many requests, please try again later",
        details={"retryAfterSeconds": seconds},
        headers={"Retry-After": str(seconds)},
    )


def unavailable(message: str, seconds: int | None = 1) -> Refusal:
    """Ask a client to come back. Clients do that by themselves when they are told after how many seconds."""
    if seconds is None:
        return Refusal(503, "ServiceUnavailable", message)
    return Refusal(
        503,
        "ServiceUnavailable",
        message,
        details={"retryAfterSeconds": seconds},
        headers={"Retry-After": str(seconds)},
    )
