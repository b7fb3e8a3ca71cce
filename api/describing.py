"""What the gateway says about itself: health, version, discovery, OpenAPI."""

from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response
from temporalio.service import RPCError

from api import discovery, openapi, openapi_v2
from api.answers import respond
from api.errors import not_acceptable
from api.gateway import Gateway
from api.media import DISCOVERY_FORMS, DISCOVERY_JSON, JSON, Form, wanted
from api.refusals import nothing_there, unavailable

anybody = APIRouter()
"""For everybody, also for who is not known."""

known = APIRouter()
"""For who is known."""

_HASHED = {"Cache-Control": "public, immutable", "Expires": "Thu, 31 Dec 2099 23:59:59 GMT"}
"""A document whose address has its hash never changes."""


def gateway_of(request: Request) -> Gateway:
    """Return the gateway that serves a request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


@anybody.api_route("/healthz", methods=["GET", "HEAD"])
@anybody.api_route("/livez", methods=["GET", "HEAD"])
async def alive() -> Response:
    """Say that the process serves."""
    return PlainTextResponse("ok")


@anybody.api_route("/readyz", methods=["GET", "HEAD"])
async def ready(request: Request) -> Response:
    """Say that Temporal answers."""
    try:
        await gateway_of(request).store.objects.client.count_workflows()
    except RPCError:
        raise unavailable("the Temporal server does not answer") from None
    return PlainTextResponse("ok")


@anybody.api_route("/version", methods=["GET", "HEAD"])
async def versions() -> Response:
    """Say which Kubernetes this speaks like."""
    return respond(discovery.version_document(version("vmflow")))


@known.api_route("/api", methods=["GET", "HEAD"])
async def core(request: Request) -> Response:
    """List the versions of the core group."""
    gateway = gateway_of(request)
    if _form(request) is Form.DISCOVERY:
        return _aggregated(request, discovery.aggregated(gateway.resources, core=True))
    return respond(discovery.core_versions(request.url.netloc))


@known.api_route("/apis", methods=["GET", "HEAD"])
async def groups(request: Request) -> Response:
    """List the other groups."""
    gateway = gateway_of(request)
    if _form(request) is Form.DISCOVERY:
        return _aggregated(request, discovery.aggregated(gateway.resources, core=False))
    return respond(discovery.group_list(gateway.resources))


@known.api_route("/apis/{group}", methods=["GET", "HEAD"])
async def group(request: Request, group: str) -> Response:
    """Tell of a group."""
    return _found(discovery.group_document(group, gateway_of(request).resources))


@known.api_route("/api/{version}", methods=["GET", "HEAD"])
async def core_resources(request: Request, version: str) -> Response:
    """List the core group's resources."""
    return _found(discovery.resource_list(version, gateway_of(request).resources))


@known.api_route("/apis/{group}/{version}", methods=["GET", "HEAD"])
async def group_resources(request: Request, group: str, version: str) -> Response:
    """List a group's resources."""
    return _found(discovery.resource_list(f"{group}/{version}", gateway_of(request).resources))


@known.api_route("/openapi/v3", methods=["GET", "HEAD"])
async def openapi_index(request: Request) -> Response:
    """List the OpenAPI documents."""
    return respond(openapi.index(gateway_of(request).resources))


@known.api_route("/openapi/v3/api/{version}", methods=["GET", "HEAD"])
async def openapi_core(request: Request, version: str) -> Response:
    """Give the core group's OpenAPI document."""
    return _openapi(request, version)


@known.api_route("/openapi/v3/apis/{group}/{version}", methods=["GET", "HEAD"])
async def openapi_group(request: Request, group: str, version: str) -> Response:
    """Give a group's OpenAPI document."""
    return _openapi(request, f"{group}/{version}")


@known.api_route("/openapi/v2", methods=["GET", "HEAD"])
async def openapi_old(request: Request) -> Response:
    """Give the OpenAPI document of older clients."""
    document = openapi_v2.document(gateway_of(request).resources)
    if openapi_v2.ASKED_FOR in request.headers.get("accept", ""):
        return Response(openapi_v2.encoded(document), media_type=openapi_v2.PROTOBUF)
    return respond(document, encodings=request.headers.get("accept-encoding", ""))


def _openapi(request: Request, api_version: str) -> Response:
    resources = gateway_of(request).resources
    document = openapi.document(api_version, resources)
    if document is None:
        raise nothing_there()
    tag = f'"{openapi.digest(api_version, resources)}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    response = respond(document, encodings=request.headers.get("accept-encoding", ""))
    response.headers["ETag"] = tag
    if request.query_params.get("hash") == tag.strip('"'):
        response.headers.update(_HASHED)
    return response


def _form(request: Request) -> Form:
    form = wanted(request.headers.get("accept", ""), DISCOVERY_FORMS)
    if form is None:
        raise not_acceptable([JSON])
    return form


def _aggregated(request: Request, document: discovery.Document) -> Response:
    return respond(document, encodings=request.headers.get("accept-encoding", ""), content_type=DISCOVERY_JSON)


def _found(document: discovery.Document | None) -> Response:
    if document is None:
        raise nothing_there()
    return respond(document)
