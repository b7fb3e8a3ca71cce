"""The gateway as kubectl's configuration names it: where it is, whom it trusts, who asks.

Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ (KUBECONFIG, contexts,
users with bearer tokens or client certificates; `exec` and auth-provider users are not for this gateway).
"""

import base64
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import websockets
import yaml
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidHandshake, InvalidStatus

from cli.channels import Channel, broke
from domain.problem import Problem
from manifests.base import DEFAULT_NAMESPACE
from manifests.registry import kind_called

_TIMEOUT = httpx.Timeout(30.0)
_MACHINES = kind_called("virtualservers")


@dataclass(frozen=True)
class Cluster:
    """One context of a kubeconfig."""

    server: str
    namespace: str
    token: str
    tls: ssl.SSLContext | None

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def path(self, name: str, *parts: str) -> str:
        """Return the path of a VM's subresource."""
        return "/".join((f"/apis/{_MACHINES.api_version}/namespaces/{self.namespace}/{_MACHINES.plural}", name, *parts))

    def request(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Return the gateway's answer; what it refuses comes out as the Problem it names."""
        try:
            with httpx.Client(base_url=self.server, verify=self.tls or False, timeout=_TIMEOUT) as client:
                answer = client.request(method, path, json=body, params=query, headers=self._headers)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise _refused(answer.status_code, answer.content)
        return answer

    @asynccontextmanager
    async def channel(self, path: str) -> AsyncIterator[Channel]:
        """Open a channel: a WebSocket. What the gateway refuses comes out as the Problem it names."""
        parts = urlsplit(self.server)
        address = urlunsplit(("wss" if parts.scheme == "https" else "ws", parts.netloc, parts.path + path, "", ""))
        try:
            socket = await websockets.connect(
                address, ssl=self.tls, additional_headers=self._headers, max_size=None, compression=None, proxy=None
            )
        except InvalidStatus as error:
            raise _refused(error.response.status_code, bytes(error.response.body or b"")) from error
        except (OSError, InvalidHandshake) as error:
            raise self._unreachable(error) from error

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

    def _unreachable(self, error: Exception) -> Problem:
        message = f"the gateway cannot be reached ({error}); is it running (vmflow up)?"
        return Problem.retry("GatewayUnreachable", message, field=self.server)


def cluster(kubeconfig: str = "", context: str = "", namespace: str = "") -> Cluster:
    """Return the context a kubeconfig names as current, or the one that is asked for.

    Raises Problem.terminal `NoKubeconfig` or `BadKubeconfig`.
    """
    config, folder = _read(kubeconfig)
    wanted = context or config.get("current-context") or ""
    chosen = _named(config, "contexts", wanted).get("context", {})
    where = _named(config, "clusters", chosen.get("cluster", "")).get("cluster", {})
    user = _named(config, "users", chosen.get("user", "")).get("user", {})
    server = str(where.get("server", ""))
    return Cluster(
        server=server.rstrip("/"),
        namespace=namespace or chosen.get("namespace") or DEFAULT_NAMESPACE,
        token=user.get("token") or _file_text(user.get("tokenFile"), folder),
        tls=_tls(where, user, folder) if server.startswith("https:") else None,
    )


def _read(kubeconfig: str) -> tuple[dict[str, Any], Path]:
    """Return the configuration and the folder its relative paths are meant from. Of several files the first wins."""
    named = kubeconfig or os.environ.get("KUBECONFIG", "")
    files = [Path(each) for each in named.split(os.pathsep) if each] or [Path.home() / ".kube" / "config"]
    there = [file for file in files if file.is_file()]
    if not there:
        message = "there is no kubeconfig; write one with: vmflow kubeconfig"
        raise Problem.terminal("NoKubeconfig", message, field=str(files[0]))
    merged: dict[str, Any] = {}
    for file in there:
        try:
            document = yaml.safe_load(file.read_text())
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            raise Problem.terminal("BadKubeconfig", f"is not readable YAML: {error}", field=str(file)) from error
        for key, value in (document or {}).items():
            before = merged.get(key)
            merged[key] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else before or value
    return merged, there[0].parent


def _named(config: Mapping[str, Any], part: str, name: str) -> dict[str, Any]:
    for each in config.get(part) or []:
        if each.get("name") == name:
            return dict(each)
    raise Problem.terminal("BadKubeconfig", f"there is no {part.removesuffix('s')} {name!r}", field=part)


def _tls(where: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _data(where.get("certificate-authority-data")) or _file_text(where.get("certificate-authority"), folder)
    context = ssl.create_default_context(cadata=authority or None)
    if where.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate = _data(user.get("client-certificate-data")) or _file_text(user.get("client-certificate"), folder)
    key = _data(user.get("client-key-data")) or _file_text(user.get("client-key"), folder)
    if certificate and key:
        with tempfile.TemporaryDirectory() as private:  # the library loads keys from files only
            file = Path(private, "pem")
            file.touch(mode=0o600)
            file.write_text(key + "\n" + certificate)
            context.load_cert_chain(file)
    return context


def _data(encoded: str | None) -> str:
    return base64.b64decode(encoded).decode() if encoded else ""


def _file_text(name: str | None, folder: Path) -> str:
    return Path(folder, name).read_text().strip() if name else ""


def _refused(code: int, body: bytes) -> Problem:
    """Return what a Status says, else what little an HTTP code says."""
    try:
        status = httpx.Response(code, content=body).json()
        return Problem.terminal(str(status["reason"]), str(status["message"]))
    except (ValueError, KeyError, TypeError):
        return Problem.terminal(f"HTTP{code}", f"the gateway answered {code}")
