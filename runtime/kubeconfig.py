"""The configuration with which kubectl finds the gateway: where it is, whom to trust, and who asks.

Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/. A file of it holds a
token in the clear, so it is its owner's alone.
"""

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from domain.problem import Problem
from manifests.base import DEFAULT_NAMESPACE
from runtime.settings import Settings

Document = dict[str, Any]

CLUSTER = "vmflow"


def path(settings: Settings) -> Path:
    """Return where `vmflow up` keeps the kubeconfig of whoever set this machine up."""
    return settings.home / "kubeconfig"


def authority(settings: Settings) -> Path:
    """Return the file of the certificate that clients of this machine's gateway trust."""
    return settings.gateway_directory / "ca.crt"


def document(
    settings: Settings, account: str, token: str, *, namespace: str = DEFAULT_NAMESPACE, server: str = ""
) -> Document:
    """Return a kubeconfig for an account; Problem.wait `NoGateway` before the gateway has run for the first time.

    namespace: which is meant where none is named; server: where the gateway is reached; empty: on its own machine.
    """
    try:
        trusted = base64.b64encode(authority(settings).read_bytes()).decode()
    except FileNotFoundError as error:
        raise Problem.wait(
            "NoGateway", "the gateway of this machine has never run; start it with `vmflow up`", field=CLUSTER
        ) from error
    where = {"server": server or settings.gateway_url, "certificate-authority-data": trusted}
    context = {"cluster": CLUSTER, "user": account, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER, "cluster": where}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": CLUSTER, "context": context}],
        "current-context": CLUSTER,
    }


def text(config: Document) -> str:
    """Return a kubeconfig as its file has it."""
    return yaml.safe_dump(config, sort_keys=False)


def write(file: Path, config: Document) -> None:
    """Write a kubeconfig, whole or not at all, for its owner alone."""
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text(config))
    partial.replace(file)


def read(settings: Settings) -> tuple[str, str] | None:
    """Return account and token of the kubeconfig that `vmflow up` keeps; None when there is none."""
    try:
        config = yaml.safe_load(path(settings).read_text())
        (user,) = config["users"]
        return str(user["name"]), str(user["user"]["token"])
    except (FileNotFoundError, KeyError, TypeError, ValueError, yaml.YAMLError):
        return None


def refresh(settings: Settings) -> bool:
    """Bring the kept kubeconfig to where the gateway is now; return whether there is one."""
    kept = read(settings)
    if kept is None:
        return False
    fresh = document(settings, *kept)
    if yaml.safe_load(path(settings).read_text()) != fresh:
        write(path(settings), fresh)
    return True
