"""A gateway in this process over a private Temporal, with real workers, and clients of it."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from temporalio.client import Client

from api.app import application
from api.door import Door
from api.gateway import Gateway
from domain.access import EVERYWHERE, Grant, Role
from manifests.contract import SEARCH_ATTRIBUTES
from manifests.core import default_namespace
from runtime import accounts
from runtime.client import connect, ensure_search_attributes
from runtime.objects import Objects
from runtime.sealing import Keyring, ensure_key_file
from runtime.settings import Settings
from tests.api.talking import Talker
from tests.temporal_server import GATEWAY_NAMESPACE
from workers.lifecycle import workers

Hire = Callable[[Role, str], Awaitable[Talker]]


@pytest.fixture(scope="session")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    file = tmp_path_factory.mktemp("keys") / "sealing.keys"
    ensure_key_file(file)
    return Keyring(file)


@pytest.fixture(scope="session")
async def client(temporal_settings: Settings) -> Client:
    client = await connect(temporal_settings.model_copy(update={"temporal_namespace": GATEWAY_NAMESPACE}))
    await ensure_search_attributes(client, SEARCH_ATTRIBUTES)
    return client


@pytest.fixture(scope="session")
async def lived(client: Client) -> AsyncIterator[None]:
    """Workflows are served meanwhile."""
    async with AsyncExitStack() as stack:
        for worker in workers(client):
            await stack.enter_async_context(worker)
        await Objects(client).ensure(default_namespace())
        yield


@pytest.fixture
async def gateway(client: Client, keyring: Keyring) -> AsyncIterator[Gateway]:
    gateway = Gateway(Objects(client, keyring))
    yield gateway
    await gateway.close()


@pytest.fixture
def door(gateway: Gateway) -> Door:
    return application(gateway)


@pytest.fixture(scope="session")
async def admin_token(client: Client) -> str:
    return await accounts.create(Objects(client), f"admin-{uuid.uuid4().hex[:8]}", [_grant(EVERYWHERE, Role.ADMIN)])


@pytest.fixture
async def admin(door: Door, admin_token: str, lived: None) -> AsyncIterator[Talker]:
    """Somebody who may do everything, while workers serve."""
    async with _talker(door, admin_token) as talker:
        yield talker


@pytest.fixture
async def namespace(admin: Talker) -> str:
    """A namespace of the test's own."""
    name = f"t{uuid.uuid4().hex[:8]}"
    await admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
async def hired(client: Client, door: Door, lived: None) -> AsyncIterator[Hire]:
    """Makes somebody with a role: `await hired(Role.VIEWER, "team")`."""
    async with AsyncExitStack() as stack:

        async def hire(role: Role, where: str) -> Talker:
            name = f"{role}-{uuid.uuid4().hex[:8]}"
            token = await accounts.create(Objects(client), name, [_grant(where, role)])
            return await stack.enter_async_context(_talker(door, token, name))

        yield hire


def _talker(door: Door, token: str, name: str = "") -> Talker:
    transport = httpx.ASGITransport(app=door, raise_app_exceptions=False)
    return Talker(transport, token, name)


def _grant(where: str, role: Role) -> Grant:
    return Grant(namespace=where, role=role)
