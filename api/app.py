"""The gateway as an ASGI application: which path is served by whom, and how errors are answered."""

from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from temporalio.service import RPCError

from api import describing, routes, streams
from api.answers import refused
from api.door import Door, refusal_for
from api.gateway import Gateway
from api.refusals import Refusal


def application(gateway: Gateway) -> Door:
    """Return the application over a gateway."""
    app = FastAPI(title="vmflow", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.gateway = gateway
    app.router.redirect_slashes = False
    app.include_router(describing.anybody)
    app.include_router(describing.known, dependencies=[Depends(routes.caller)])
    app.include_router(routes.router)
    app.include_router(streams.router)
    for kind in (Refusal, HTTPException, RPCError, TimeoutError, Exception):
        app.add_exception_handler(kind, _answer)
    return Door(app, gateway)


async def _answer(_request: Request, error: Exception) -> Response:
    return refused(refusal_for(error))
