"""Talking to a gateway: requests and channels, and what it refuses as the Problem it names."""

import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import websockets
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidHandshake, InvalidStatus

from cli.channels import Channel, broke
from cli.cluster import Cluster
from domain.problem import Problem

Json = dict[str, Any]

_TIMEOUT = httpx.Timeout(65.0, connect=3.0)
"""Seconds; the gateway itself ends a request after a minute, and says so."""

_APPLY = "application/apply-patch+yaml"
"""Media type of what is applied on the server: YAML, of which JSON is a part."""

_PASSING = {429, 503, 504}
"""Codes of what passes by itself."""

_WORDS = {"Invalid": "InvalidManifest", "ServiceUnavailable": "Unavailable"}
"""Reasons that have another name where no gateway is between."""


class Gateway:
    """A gateway, and somebody who asks it."""

    def __init__(self, cluster: Cluster, http: httpx.AsyncClient) -> None:
        self.cluster = cluster
        self._http = http

    async def json(self, method: str, path: str, *, body: Json | None = None, **query: str) -> Json:
        """Return the object that answers a request; raises as `text` does."""
        return self._object(await self._answer(method, path, query, json=body))

    async def apply(self, path: str, body: Json, **query: str) -> Json:
        """Apply a manifest on the server and return the object; raises as `text` does."""
        applied = {"content": json.dumps(body), "headers": {"Content-Type": _APPLY}}
        return self._object(await self._answer("PATCH", path, query, **applied))

    async def text(self, method: str, path: str, **query: str) -> str:
        """Return the text that answers a request; what the gateway refuses comes out as the Problem it names."""
        return (await self._answer(method, path, query)).text

    def _object(self, answer: httpx.Response) -> Json:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            message = "something answers there that is no gateway; look at the server in the kubeconfig"
            raise Problem.terminal("NoGateway", message, field=self.cluster.server)
        return found

    async def _answer(self, method: str, path: str, query: Mapping[str, str], **sent: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes it
        try:
            answer = await self._http.request(method, path, params=query, **sent)
        except httpx.TransportError as error:
            raise self._unreached(error) from error
        if answer.is_error:
            raise self._refused(answer)
        return answer

    @asynccontextmanager
    async def channel(self, path: str) -> AsyncIterator[Channel]:
        """Open a channel: a WebSocket. What the gateway refuses comes out as the Problem it names."""
        parts = urlsplit(self.cluster.server)
        address = urlunsplit(("wss" if parts.scheme == "https" else "ws", parts.netloc, parts.path + path, "", ""))
        try:
            socket = await websockets.connect(
                address,
                ssl=self.cluster.tls,
                additional_headers=_headers(self.cluster),
                max_size=None,
                compression=None,
                proxy=None,
            )
        except InvalidStatus as error:
            response = error.response
            raise self._refused(httpx.Response(response.status_code, content=bytes(response.body or b""))) from error
        except (OSError, InvalidHandshake) as error:
            raise self._unreached(error) from error

        async def receive() -> bytes:
            try:
                return await socket.recv(decode=False)
            except ConnectionClosedOK:
                return b""
            except ConnectionClosed as error:
                raise broke(error) from error

        async def send(data: bytes) -> None:
            try:
                await socket.send(data)
            except ConnectionClosedOK:
                return  # `receive` tells
            except ConnectionClosed as error:
                raise broke(error) from error

        async with socket:
            yield Channel(receive, send)

    def _unreached(self, error: Exception) -> Problem:
        if any(isinstance(each, ssl.SSLCertVerificationError) for each in _causes(error)):
            message = f"its certificate is none that {self.cluster.source} trusts; write that anew (vmflow kubeconfig)"
            return Problem.terminal("GatewayUntrusted", message, field=self.cluster.server)
        why = str(error) or type(error).__name__
        message = f"the gateway cannot be reached ({why}); is it running (vmflow up)?"
        return Problem.retry("GatewayUnreachable", message, field=self.cluster.server)

    def _refused(self, answer: httpx.Response) -> Problem:
        """Return what a Status says, else what little an HTTP code says."""
        try:
            status = answer.json()
            reason, message = str(status["reason"]), str(status["message"])
        except (ValueError, KeyError, TypeError):
            reason, message = f"HTTP{answer.status_code}", "a gateway would say more; look at the server's address"
            return Problem.terminal(reason, message, field=self.cluster.server)
        if answer.status_code in _PASSING:
            return Problem.retry(_WORDS.get(reason, reason), message)
        remedy = self._remedy(answer.status_code)
        return Problem.terminal(_WORDS.get(reason, reason), f"{message}; {remedy}" if remedy else message)

    def _remedy(self, code: int) -> str:
        """Return what to do about a refusal that no other request would meet better."""
        match code:
            case 401:
                return (
                    f"the gateway knows nobody with the token of {self.cluster.user!r} in {self.cluster.source}: an "
                    f"admin gives another (vmflow account token NAME)"
                )
            case 403:
                return "an admin may, or gives the account a role that may (spec.roles of its Account)"
            case _:
                return ""


@asynccontextmanager
async def opened(cluster: Cluster, *, patience: float | None = None) -> AsyncIterator[Gateway]:
    """Give the gateway of a context meanwhile; patience: seconds to wait for an answer at most."""
    timeout = _TIMEOUT if patience is None else httpx.Timeout(patience)
    async with httpx.AsyncClient(
        base_url=cluster.server, verify=cluster.tls or True, timeout=timeout, headers=_headers(cluster)
    ) as http:
        yield Gateway(cluster, http)


def _headers(cluster: Cluster) -> dict[str, str]:
    return {"Authorization": f"Bearer {cluster.token}"} if cluster.token else {}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
