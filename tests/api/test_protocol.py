"""One connection: slow clients, odd ones, too many of them, and a gateway that is told to stop."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api import protocol
from api.gateway import Gateway
from api.protocol import Protocol
from tests.api.serving import Served, serving
from tests.api.talking import Talker, config_map, maps
from tests.world import eventually


@pytest.fixture
async def served(gateway: Gateway, tmp_path: Path, lived: None) -> AsyncIterator[Served]:
    async with serving(gateway, tmp_path) as found:
        yield found


async def test_a_request_is_answered_over_tls(served: Served) -> None:
    async with httpx.AsyncClient(verify=served.trust) as http:
        answer = await http.get(f"{served.url}/version")
    assert answer.json()["major"] == "1"
    assert "server" not in answer.headers


async def test_what_is_no_http_is_refused_as_a_status(served: Served) -> None:
    answer = await served.said(b"GARBAGE\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["reason"] == "BadRequest"


async def test_plain_http_is_not_answered(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.settings.gateway_port)
    writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"major" not in await reader.read()
    writer.close()


async def test_headers_have_a_limit(served: Served) -> None:
    head = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
    answer = await served.said(head + b"a" * 100_000 + b"\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))


async def test_two_lengths_are_not_guessed_between(served: Served) -> None:
    answer = await served.said(
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}"
    )
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("raw", [b"", b"GET /version HTTP/1.1\r\nHost"], ids=["silent", "half a head"])
async def test_a_client_that_never_finishes_its_request_is_hung_up_on(
    served: Served, monkeypatch: pytest.MonkeyPatch, raw: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    began = time.monotonic()
    reader, writer = await served.connect()
    writer.write(raw)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    assert time.monotonic() - began < 10
    writer.close()


async def test_a_client_that_never_finishes_its_body_is_hung_up_on(
    served: Served, monkeypatch: pytest.MonkeyPatch, admin: Talker
) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.3)
    token = admin.http.headers["authorization"].encode()
    reader, writer = await served.connect()
    writer.write(
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: " + token + b'\r\nContent-Length: 100\r\n\r\n{"meta'
    )
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()


async def test_a_client_that_does_not_take_its_answer_is_hung_up_on(
    served: Served, monkeypatch: pytest.MonkeyPatch, admin: Talker, namespace: str
) -> None:
    monkeypatch.setattr(protocol, "TAKING_SECONDS", 0.5)
    for number in range(10):
        await admin.create(maps(namespace), config_map(f"m{number}", data={"a": "x" * 500_000}))
    before = Protocol.open
    reader, writer = await served.connect()
    token = admin.http.headers["authorization"].encode()
    reader._transport.pause_reading()  # type: ignore[attr-defined] # a client that does not read
    request = b"GET " + maps(namespace).encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: " + token + b"\r\n\r\n"
    writer.write(request * 4)
    await eventually(lambda: _open(more_than=before))
    await eventually(lambda: _open(at_most=before))
    writer.transport.abort()


async def test_connections_beyond_the_limit_are_closed_at_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CONNECTIONS", Protocol.open + 2)
    kept = [await served.connect() for _ in range(2)]
    reader, late = await served.connect()
    late.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    late.close()
    for _, writer in kept:
        writer.close()
    await eventually(lambda: _open(at_most=0))
    async with httpx.AsyncClient(verify=served.trust) as http:
        assert (await http.get(f"{served.url}/version")).status_code == 200


async def test_a_connection_serves_many_requests(served: Served) -> None:
    async with httpx.AsyncClient(verify=served.trust) as http:
        for _ in range(5):
            assert (await http.get(f"{served.url}/livez")).text == "ok"
        assert Protocol.open == 1


async def test_a_gateway_that_is_told_to_stop_ends_its_watches(
    served: Served, gateway: Gateway, admin: Talker, namespace: str
) -> None:
    headers = {"Authorization": admin.http.headers["authorization"]}
    async with (
        httpx.AsyncClient(verify=served.trust, headers=headers, timeout=60) as http,
        http.stream("GET", f"{served.url}{maps(namespace)}", params={"watch": "true"}) as answer,
    ):
        await eventually(lambda: _polls(gateway))
        began = time.monotonic()
        gateway.stop()
        served.server.should_exit = True
        assert [line async for line in answer.aiter_lines()] == []
    assert time.monotonic() - began < 5


async def test_a_watcher_that_leaves_is_forgotten(
    served: Served, gateway: Gateway, admin: Talker, namespace: str
) -> None:
    headers = {"Authorization": admin.http.headers["authorization"]}
    async with (
        httpx.AsyncClient(verify=served.trust, headers=headers, timeout=60) as http,
        http.stream("GET", f"{served.url}{maps(namespace)}", params={"watch": "true"}),
    ):
        await eventually(lambda: _polls(gateway))
        assert gateway.waiting.now == 1
    await eventually(lambda: _idle(gateway))


async def _open(*, more_than: int = -1, at_most: int = 10**6) -> bool:
    return more_than < Protocol.open <= at_most


async def _polls(gateway: Gateway) -> bool:
    return gateway.store.of("ConfigMap").poller.polls


async def _idle(gateway: Gateway) -> bool:
    return not gateway.store.of("ConfigMap").poller.polls and gateway.waiting.now == 0
