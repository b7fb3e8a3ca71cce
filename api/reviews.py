"""What somebody may do, and who they are: `kubectl auth can-i`, `kubectl auth whoami`. Computed, never stored.

The answers come from the same table that decides about requests (domain/access.py).
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.answers import respond
from api.cache import Document
from api.calls import Caller
from api.meta import ObjectMeta, Part
from api.receiving import options
from api.refusals import bad_request
from api.resources import Resource
from domain.access import EVERYWHERE, Action, Grant, Role, Verb, may, permitted

_OPEN: dict[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}
_Free = Annotated[dict[str, Any], Field(json_schema_extra=_OPEN)]

_CREATE = ("create",)
_AUTHORIZATION, _AUTHENTICATION = "authorization.k8s.io/v1", "authentication.k8s.io/v1"


class SelfSubjectAccessReview(Part):
    """A question: may I do this?

    spec: what is to be done: resourceAttributes, or nonResourceAttributes.
    status: the answer.
    """

    api_version: Literal["authorization.k8s.io/v1"]
    kind: Literal["SelfSubjectAccessReview"]
    metadata: ObjectMeta | None = None
    spec: _Free
    status: _Free | None = None


class SelfSubjectRulesReview(Part):
    """A question: what may I do in a namespace?

    spec: the namespace.
    status: the answer.
    """

    api_version: Literal["authorization.k8s.io/v1"]
    kind: Literal["SelfSubjectRulesReview"]
    metadata: ObjectMeta | None = None
    spec: _Free
    status: _Free | None = None


class SelfSubjectReview(Part):
    """A question: who am I?

    status: the answer.
    """

    api_version: Literal["authentication.k8s.io/v1"]
    kind: Literal["SelfSubjectReview"]
    metadata: ObjectMeta | None = None
    status: _Free | None = None


ACCESS = Resource(
    _AUTHORIZATION,
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    namespaced=False,
    model=SelfSubjectAccessReview,
    verbs=_CREATE,
)
RULES = Resource(
    _AUTHORIZATION,
    "SelfSubjectRulesReview",
    "selfsubjectrulesreviews",
    namespaced=False,
    model=SelfSubjectRulesReview,
    verbs=_CREATE,
)
WHO = Resource(
    _AUTHENTICATION,
    "SelfSubjectReview",
    "selfsubjectreviews",
    namespaced=False,
    model=SelfSubjectReview,
    verbs=_CREATE,
)

RESOURCES = (ACCESS, RULES, WHO)


async def review(request: Request, who: Caller, resource: Resource, known: Iterable[Resource]) -> Response:
    """Answer a question of somebody about themselves."""
    spec = (await options(request)).get("spec") or {}
    if not isinstance(spec, dict):
        raise bad_request("the body is not a review")
    status = _ANSWERS[resource](who, spec, tuple(known))
    document = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"creationTimestamp": None}}
    return respond(
        {**document, **({"spec": spec} if resource is not WHO else {}), "status": status}, HTTPStatus.CREATED
    )


def _access(who: Caller, spec: Document, known: tuple[Resource, ...]) -> Document:
    path = spec.get("nonResourceAttributes")
    if isinstance(path, dict):
        return {"allowed": path.get("verb") in ("get", "head"), "reason": "who is known may read what is described"}
    asked = spec.get("resourceAttributes")
    if not isinstance(asked, dict):
        raise bad_request("spec: exactly one of nonResourceAttributes or resourceAttributes must be specified")
    words = {
        name: str(asked.get(name) or "") for name in ("verb", "group", "resource", "subresource", "namespace", "name")
    }
    return {"allowed": _allowed(who, words, known)}


def _allowed(who: Caller, words: dict[str, str], known: tuple[Resource, ...]) -> bool:
    anything = words["resource"] == "*" or words["verb"] == "*"
    if anything:
        return any(
            grant.role is Role.ADMIN and grant.namespace in {EVERYWHERE, words["namespace"]} for grant in who.grants
        )
    resource = next((each for each in known if (each.group, each.plural) == (words["group"], words["resource"])), None)
    if resource is None or words["verb"] not in set(Verb):
        return any(grant.role is Role.ADMIN and grant.namespace == EVERYWHERE for grant in who.grants)
    action = Action(
        verb=Verb(words["verb"]),
        kind=resource.kind,
        subresource=words["subresource"],
        namespace=words["namespace"] if resource.namespaced else "",
        name=words["name"],
        namespaced=resource.namespaced,
    )
    return permitted(who.grants, action)


def _rules(who: Caller, spec: Document, known: tuple[Resource, ...]) -> Document:
    namespace = str(spec.get("namespace") or "")
    grants = [grant for grant in who.grants if grant.namespace in {EVERYWHERE, namespace}]
    rules = [
        {"verbs": verbs, "apiGroups": [resource.group], "resources": [name]}
        for resource in known
        for name, words in _parts(resource)
        if (verbs := [word for word in words if _any(grants, resource, name, word)])
    ]
    return {
        "resourceRules": rules,
        "nonResourceRules": [
            {"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/openapi/*"]}
        ],
        "incomplete": False,
    }


def _parts(resource: Resource) -> list[tuple[str, tuple[str, ...]]]:
    parts = [(f"{resource.plural}/{part.name}", part.verbs) for part in resource.subresources]
    return [(resource.plural, resource.verbs), *parts]


def _any(grants: Iterable[Grant], resource: Resource, name: str, word: str) -> bool:
    part = name.partition("/")[2]
    fitting = [grant for grant in grants if resource.namespaced or grant.namespace == EVERYWHERE]
    return resource in RESOURCES or any(may(grant.role, Verb(word), resource.kind, part) for grant in fitting)


def _who(who: Caller, _spec: Document, _known: tuple[Resource, ...]) -> Document:
    return {"userInfo": {"username": who.name, "groups": ["system:authenticated"]}}


_ANSWERS: dict[Resource, Callable[[Caller, Document, tuple[Resource, ...]], Document]] = {
    ACCESS: _access,
    RULES: _rules,
    WHO: _who,
}
