"""Accounts of the gateway: tokens, what is kept of them, and the account that everything begins with.

A token has 256 bits of chance, so nobody guesses it and a slow hash would protect nothing: what is kept is one SHA-256
over a salt and the token. Whoever reads an Account, a history or a backup learns no token from it.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Protocol

from domain.access import EVERYWHERE, Grant, Role
from domain.problem import Problem
from manifests.account import Account
from manifests.contract import ReplaceRequest
from manifests.registry import Kind, kind_called, parse
from runtime.objects import Document, Objects

PREFIX = "vmf_"
"""How a token begins, so that people and scanners of published code know one when they see it."""

ADMIN = "admin"
"""The account that a new installation has."""


class Keeper(Protocol):
    """Where accounts are kept: the objects, or a gateway to them."""

    async def create(self, document: Mapping[str, Any]) -> None:
        """Create an object; Problem `AlreadyExists` when there is one."""

    async def get(self, kind: Kind, name: str) -> Document:
        """Return one object; Problem `NotFound` when there is none."""
        ...

    async def replace(self, document: Mapping[str, Any], request: ReplaceRequest) -> object:
        """Declare an object anew; Problem `Conflict` when it is another one by now."""


def new_token() -> str:
    """Return a token nobody had before: the prefix and 256 bits of chance in base64url."""
    return PREFIX + secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """Return what may be kept of a token: `sha256:<salt>:<hash>`, both in hexadecimal digits."""
    salt = secrets.token_hex(16)
    return f"sha256:{salt}:{_hash(salt, token)}"


def verify(token: str, kept: str) -> bool:
    """Return whether a token is the one of which this was kept; how long that takes tells nothing about it."""
    _, salt, expected = kept.split(":")
    return hmac.compare_digest(_hash(salt, token), expected)


def account(name: str, token: str, grants: Iterable[Grant]) -> Document:
    """Return the manifest of an account."""
    roles = [{"namespace": each.namespace, "role": each.role.value} for each in grants]
    return {
        "apiVersion": kind_called("accounts").api_version,
        "kind": "Account",
        "metadata": {"name": name},
        "spec": {"tokenHash": hashed(token), "roles": roles},
    }


async def create(objects: Keeper, name: str, grants: Iterable[Grant]) -> str:
    """Create an account and return its token, which is kept nowhere; Problem `AlreadyExists` when there is one."""
    token = new_token()
    await objects.create(account(name, token, grants))
    return token


async def renew(objects: Keeper, name: str) -> str:
    """Give an account another token and return it; the one before is worth nothing from now on."""
    kind = kind_called("accounts")
    document = await objects.get(kind, name)
    before = parse(document)
    if not isinstance(before, Account):
        raise TypeError(f"{name} is an account by its id and a {before.kind} by its content")
    token = new_token()
    spec = before.spec.model_copy(update={"token_hash": hashed(token)})
    after = before.model_copy(update={"spec": spec}).document()
    version = document["metadata"]["resourceVersion"]
    await objects.replace(after, ReplaceRequest(manifest=after, resource_version=version))
    return token


async def ensure_admin(objects: Objects) -> str | None:
    """Create the first account of an installation, which may do everything; return its token, once.

    None when there are accounts already, or somebody else creates this one at the same time.
    """
    if await objects.list(kind_called("accounts")):
        return None
    try:
        return await create(objects, ADMIN, [Grant(namespace=EVERYWHERE, role=Role.ADMIN)])
    except Problem as problem:
        if problem.reason != "AlreadyExists":
            raise
        return None


def _hash(salt: str, token: str) -> str:
    return sha256(f"{salt}{token}".encode()).hexdigest()
