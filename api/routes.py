"""From a request under /api or /apis to the handler of its verb: who asks, what for, and whether they may."""

from functools import partial

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api import deleting, reviews, verbs, writing
from api.addressing import Address, address, check, segments, verb
from api.calls import Call, Caller
from api.describing import gateway_of
from api.errors import Attempt, forbidden, not_acceptable, refusal_of
from api.media import JSON, wanted
from api.refusals import impersonated, method_not_allowed, not_found, nothing_there
from api.resources import Resource, resource_at
from api.store import Served
from api.subresources import HANDLERS as PARTS
from api.verbs import Handler, Work
from domain.access import Action, Verb, permitted
from domain.problem import Problem

router = APIRouter()

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

HANDLERS: dict[str, Handler] = {
    "get": verbs.get,
    "list": verbs.list_,
    "watch": verbs.watch,
    "create": writing.create,
    "update": writing.update,
    "patch": writing.patch,
    "delete": deleting.delete,
    "deletecollection": deleting.delete_collection,
}


_LONGER = {"portforward"}
"""Parts whose path goes on behind their name: with a port."""


async def caller(request: Request) -> Caller:
    """Return who asks; Refusal 401, or 429 when they ask too much."""
    gateway = gateway_of(request)
    address_of = request.client.host if request.client else ""
    authorization = request.headers.get("authorization", "")
    found = await gateway.accounts.recognise(authorization, partial(gateway.strangers.take, address_of))
    gateway.allowance.take(found.name)
    if whom := next((value for name, value in request.headers.items() if name.startswith("impersonate-")), None):
        raise impersonated(found.name, whom)
    return found


@router.api_route("/api/{rest:path}", methods=METHODS)
@router.api_route("/apis/{rest:path}", methods=METHODS)
async def serve(request: Request, who: Caller = Depends(caller)) -> Response:  # noqa: B008 - FastAPI's way
    """Serve a resource."""
    gateway, found = gateway_of(request), address(segments(request.scope["raw_path"]))
    if found is None:
        raise nothing_there()
    if asked := resource_at(found.api_version, found.plural, reviews.RESOURCES):
        if request.method != "POST" or found.name or found.namespace:
            raise method_not_allowed("POST")
        return await reviews.review(request, who, asked, gateway.resources)
    served = gateway.store.at(found.api_version, found.plural)
    if served is None:
        raise nothing_there()
    handler, call = understood(request, who, served, found)
    try:
        return await handler(Work(gateway, call, served, request))
    except Problem as problem:
        raise refusal_of(problem, served.resource, found.name) from problem


def understood(request: Request, who: Caller, served: Served, found: Address) -> tuple[Handler, Call]:
    """Return what is asked, and who does it; Refusal 404, 405, 403 or 406."""
    resource = served.resource
    part = next((each for each in resource.subresources if each.name == found.subresource), None)
    if (found.subresource and part is None) or _astray(found, resource):
        raise nothing_there()
    watched = request.query_params.get("watch", "").lower() in {"true", "1"}
    asked = verb(request.method, found, watch=watched)
    allowed = part.verbs if part else resource.verbs
    everywhere = resource.namespaced and not found.namespace
    if asked not in allowed or (asked == "deletecollection" and everywhere):
        raise method_not_allowed()
    action = Action(
        verb=Verb(asked),
        kind=resource.kind,
        subresource=found.subresource,
        namespace=found.namespace if resource.namespaced else "",
        name=found.name,
        namespaced=resource.namespaced,
    )
    if not permitted(who.grants, action):
        where = found.namespace if resource.namespaced else ""
        raise forbidden(who.name, Attempt(asked, resource, where, found.name, found.subresource))
    if check(found):
        raise not_found(resource, found.name)
    form = wanted(request.headers.get("accept", ""))
    if form is None:
        raise not_acceptable([JSON])
    call = Call(who, asked, resource, found, request.query_params, request.headers, form)
    return (PARTS[found.subresource] if part else HANDLERS[asked]), call


def _astray(found: Address, resource: Resource) -> bool:
    """Tell whether a path goes on where nothing is, or through a namespace to what is in none."""
    within = found.namespace and (found.plural, found.name) != ("namespaces", found.namespace)
    return bool((found.rest and found.subresource not in _LONGER) or (within and not resource.namespaced))
