"""Who asks: bearer tokens, recognised by what the Account objects say.

Tokens are stored hashed, so recognising one costs a hash for each account; what was recognised is remembered, by the
token's own hash, until the account changes. Accounts are read again when a token is unknown and when they are old, so
an account that was taken away on another gateway is refused within `STALE_SECONDS`.
"""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from temporalio.service import RPCError

from api.cache import Document
from api.calls import Caller
from api.refusals import unauthorized
from api.watching import Poller, clock
from manifests.account import Account
from manifests.base import InvalidManifestError
from manifests.registry import parse
from runtime.accounts import verify

STALE_SECONDS = 5.0
"""How old what is known of accounts may be."""

REMEMBERED = 1_000
"""Tokens that are recognised without hashing for each account."""

_BEARER = "bearer"
_TOKEN_LIMIT = 512
"""Characters of a token; ours have fewer."""


class Accounts:
    """Everybody who may use the gateway."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._known: OrderedDict[str, tuple[str, str]] = OrderedDict()  # hash of a token → account, its tokenHash
        self._read = 0.0
        self._parsed: dict[str, Account] = {}
        self._as_of = -1

    async def recognise(self, authorization: str, strange: Callable[[], None]) -> Caller:
        """Return who sends this Authorization header; Refusal 401 when nobody knows.

        strange: called before anything is read because of somebody unknown; may raise.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != _BEARER or not token or len(token) > _TOKEN_LIMIT or not token.isascii():
            strange()
            raise unauthorized()
        await self._refresh(STALE_SECONDS)
        found = self._find(token)
        if found is None:  # an account may have been made a moment ago
            strange()
            await self._refresh(0.0)
            found = self._find(token)
        if found is None:
            raise unauthorized()
        return found

    async def still(self, caller: Caller) -> bool:
        """Tell whether somebody who was recognised would be again, by the same token and with the same grants."""
        await self._refresh(STALE_SECONDS)
        found = self._accounts().get(caller.name)
        return found is not None and _caller(found) == caller

    async def _refresh(self, age: float) -> None:
        """Read the accounts again unless that was done lately. While Temporal is away, what is known holds."""
        if clock() - self._read < age:
            return
        try:
            await self._poller.fresh()
        except RPCError:
            if not self._read:
                raise
            return
        self._read = clock()

    def _accounts(self) -> dict[str, Account]:
        """Return the accounts by name."""
        cache = self._poller.cache
        if self._as_of != cache.latest:
            self._parsed = {each.metadata.name: each for each in map(_account, cache.documents()) if each}
            self._as_of = cache.latest
        return self._parsed

    def _find(self, token: str) -> Caller | None:
        key = sha256(token.encode()).hexdigest()
        accounts = self._accounts()
        name, proof = self._known.get(key, ("", ""))
        if name in accounts and accounts[name].spec.token_hash == proof:
            return _caller(accounts[name])
        for account in accounts.values():
            if verify(token, account.spec.token_hash):
                self._known[key] = (account.metadata.name, account.spec.token_hash)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
                return _caller(account)
        return None


def _account(document: Document) -> Account | None:
    """Return the account a document is; None for one by which nobody can be recognised, as its status says."""
    written = {name: document.get(name) for name in ("apiVersion", "kind", "metadata", "spec")}
    try:
        account = parse(written)
    except InvalidManifestError:
        return None
    return account if isinstance(account, Account) and "deletionTimestamp" not in document["metadata"] else None


def _caller(account: Account) -> Caller:
    return Caller(account.metadata.name, account.grants, account.spec.token_hash)
