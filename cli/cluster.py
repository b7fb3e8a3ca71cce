"""A gateway as a kubeconfig names it: where it is, whom to trust, who asks, and in which namespace.

Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ (KUBECONFIG, contexts,
users with bearer tokens or client certificates; `exec` and auth-provider users are not for this gateway).
"""

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from domain.problem import Problem
from manifests.base import DEFAULT_NAMESPACE


@dataclass(frozen=True)
class Cluster:
    """One context of a kubeconfig. user: what the file calls who asks; source: the file."""

    server: str
    namespace: str
    user: str
    token: str
    tls: ssl.SSLContext | None
    source: Path


def cluster(kubeconfig: str = "", context: str = "", namespace: str = "") -> Cluster:
    """Return the context a kubeconfig names as current, or the one that is asked for.

    kubeconfig: a path; empty for what kubectl takes: KUBECONFIG, or ~/.kube/config.
    Raises Problem.terminal `NoKubeconfig` or `BadKubeconfig`.
    """
    config, source = _read(kubeconfig)
    try:
        wanted = context or config.get("current-context") or ""
        chosen = _named(config, "contexts", wanted).get("context", {})
        where = _named(config, "clusters", chosen.get("cluster", "")).get("cluster", {})
        user = _named(config, "users", chosen.get("user", "")).get("user", {})
        server = _server(where)
        return Cluster(
            server=server,
            namespace=namespace or chosen.get("namespace") or DEFAULT_NAMESPACE,
            user=chosen.get("user", ""),
            token=user.get("token") or _file_text(user.get("tokenFile"), source.parent),
            tls=_tls(where, user, source.parent) if server.startswith("https:") else None,
            source=source,
        )
    except Problem as problem:
        raise Problem.terminal(problem.reason, str(problem), field=str(source)) from problem
    except (AttributeError, TypeError, ValueError, OSError) as error:
        raise _bad(f"cannot be used: {error}", str(source)) from error


def _read(kubeconfig: str) -> tuple[dict[str, Any], Path]:
    """Return the configuration and the file its relative paths are meant from. Of several files the first wins."""
    named = kubeconfig or os.environ.get("KUBECONFIG", "")
    files = [Path(each) for each in named.split(os.pathsep) if each] or [Path.home() / ".kube" / "config"]
    there = [file for file in files if file.is_file()]
    if not there:
        message = (
            "there is no such kubeconfig; write one (vmflow kubeconfig --output), or name another: VMFLOW_KUBECONFIG "
            "for vmflow, KUBECONFIG for kubectl"
        )
        raise Problem.terminal("NoKubeconfig", message, field=str(files[0]))
    merged: dict[str, Any] = {}
    for file in there:
        for key, value in _document(file).items():
            before = merged.get(key)
            merged[key] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else before or value
    return merged, there[0]


def _document(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise _bad(f"is not readable YAML: {' '.join(str(error).split())}", str(file)) from error
    if not isinstance(document, dict | None):
        raise _bad("holds no kubeconfig", str(file))
    return document or {}


def _named(config: Mapping[str, Any], part: str, name: str) -> dict[str, Any]:
    for each in config.get(part) or []:
        if each.get("name") == name:
            return dict(each)
    raise _bad(f"there is no {part.removesuffix('s')} {name!r}", part)


def _server(where: Mapping[str, Any]) -> str:
    server = str(where.get("server", "")).rstrip("/")
    try:
        url = httpx.URL(server)
    except httpx.InvalidURL as error:
        raise _bad(f"{server!r} is no address ({error})", "server") from error
    if url.scheme not in {"https", "http"} or not url.host:
        raise _bad(f"{server!r} is no address; one looks like https://127.0.0.1:7443", "server")
    return server


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


def _bad(message: str, field: str) -> Problem:
    return Problem.terminal("BadKubeconfig", message, field=field)
