"""Accounts: tokens that nobody guesses, of which nothing is kept that would tell them."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from domain.access import EVERYWHERE, Grant, Role
from domain.problem import Problem
from manifests.account import Account
from manifests.registry import kind_called, parse
from runtime import accounts
from runtime.client import connect
from runtime.objects import Objects
from tests.temporal_server import private_server
from workers.lifecycle import workers

EDITOR = Grant(namespace="team-a", role=Role.EDITOR)


@pytest.fixture(scope="module")
async def objects() -> AsyncIterator[Objects]:
    """Objects of a Temporal of their own: an installation without accounts."""
    async with private_server() as settings:
        client = await connect(settings)
        async with AsyncExitStack() as stack:
            for worker in workers(client):
                await stack.enter_async_context(worker)
            yield Objects(client)


def test_a_token_has_256_bits_and_says_what_it_is() -> None:
    token = accounts.new_token()
    assert token.startswith("vmf_")
    assert len(token.removeprefix("vmf_")) * 6 >= 256
    assert len({accounts.new_token() for _ in range(1000)}) == 1000


def test_what_is_kept_knows_its_token_and_no_other() -> None:
    token = accounts.new_token()
    kept = accounts.hashed(token)
    assert accounts.verify(token, kept)
    assert not accounts.verify(accounts.new_token(), kept)
    assert not accounts.verify("", kept)
    assert not accounts.verify(kept, kept)
    assert token.removeprefix("vmf_") not in kept


def test_the_same_token_is_never_kept_the_same_way() -> None:
    token = accounts.new_token()
    assert accounts.hashed(token) != accounts.hashed(token)


def test_a_thousand_accounts_are_tried_in_a_blink() -> None:
    kept = [accounts.hashed(accounts.new_token()) for _ in range(1000)]
    token = accounts.new_token()
    began = time.perf_counter()
    assert not any(accounts.verify(token, each) for each in kept)
    assert time.perf_counter() - began < 0.5


async def test_an_account_is_created_with_a_token_that_is_not_kept(objects: Objects) -> None:
    token = await accounts.create(objects, "ada", [EDITOR])
    document = await objects.get(kind_called("accounts"), "ada")
    account = parse(document)
    assert isinstance(account, Account)
    assert account.grants == (EDITOR,)
    assert accounts.verify(token, account.spec.token_hash)
    assert token not in str(document)
    with pytest.raises(Problem) as caught:
        await accounts.create(objects, "ada", [EDITOR])
    assert caught.value.reason == "AlreadyExists"


async def test_a_new_token_ends_the_one_before(objects: Objects) -> None:
    before = await accounts.create(objects, "grace", [EDITOR])
    after = await accounts.renew(objects, "grace")
    account = parse(await objects.get(kind_called("accounts"), "grace"))
    assert isinstance(account, Account)
    assert accounts.verify(after, account.spec.token_hash)
    assert not accounts.verify(before, account.spec.token_hash)
    assert account.grants == (EDITOR,)
    with pytest.raises(Problem, match="not found"):
        await accounts.renew(objects, "nobody")


async def test_the_first_account_is_made_once_and_may_do_everything() -> None:
    async with private_server() as settings:
        objects = Objects(await connect(settings))
        token = await accounts.ensure_admin(objects)
        assert token is not None
        account = parse(await objects.get(kind_called("accounts"), "admin"))
        assert isinstance(account, Account)
        assert account.grants == (Grant(namespace=EVERYWHERE, role=Role.ADMIN),)
        assert await accounts.ensure_admin(objects) is None


async def test_of_two_who_make_the_first_account_one_does(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(objects, "list", nothing)
    made = [await accounts.ensure_admin(objects) for _ in range(2)]
    assert made[0] is not None
    assert made[1] is None


async def test_any_other_trouble_with_the_first_account_is_told(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise Problem.retry("Unavailable", "no")

    async def nothing(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(objects, "list", nothing)
    monkeypatch.setattr(objects, "create", broken)
    with pytest.raises(Problem, match="no"):
        await accounts.ensure_admin(objects)
