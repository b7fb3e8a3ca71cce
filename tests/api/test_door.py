"""The front door: what holds for every request, whoever asks and whatever for."""

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from temporalio.client import Client

from api import door
from api.door import Door
from api.gateway import Gateway
from domain.access import Role
from runtime import accounts
from runtime.objects import Objects
from tests.api.conftest import Hire
from tests.api.talking import Talker, maps, refused


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REQUEST_SECONDS", 0.05)


async def asked(gateway: Gateway, *, stubborn: bool) -> httpx.Response:
    """Return how a request that takes for ever is answered; a stubborn one answers when it is told to end."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not stubborn:
                raise
            await PlainTextResponse("at last", 503)(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=Door(app, gateway))) as http:
        return await http.get("https://gateway/version")


async def test_a_request_that_takes_too_long_is_ended(gateway: Gateway, hurried: None) -> None:
    assert refused(await asked(gateway, stubborn=False), 504)["reason"] == "Timeout"


async def test_an_answer_that_comes_as_the_time_is_over_is_sent(gateway: Gateway, hurried: None) -> None:
    answer = await asked(gateway, stubborn=True)
    assert (answer.status_code, answer.text) == (503, "at last")


async def test_nobody_acts_as_somebody_else(admin: Talker, namespace: str) -> None:
    said = await admin.refusal("GET", maps(namespace), 403, headers={"Impersonate-User": "nobody"})
    assert said["reason"] == "Forbidden"
    assert 'users "nobody" is forbidden' in said["message"]


async def test_who_watches_with_a_token_that_is_worth_nothing_any_more_hears_no_more(
    client: Client, hired: Hire, namespace: str
) -> None:
    viewer = await hired(Role.VIEWER, namespace)
    watching = asyncio.create_task(viewer.watch(maps(namespace), timeoutSeconds="60"))
    await viewer.get(maps(namespace))
    await accounts.renew(Objects(client), viewer.name)
    last = (await watching)[-1]
    assert (last["type"], last["object"]["code"]) == ("ERROR", 401)
