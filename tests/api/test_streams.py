"""WebSockets into a guest: the bytes, the refusals before the upgrade, and how a stream ends."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
import websockets
from temporalio.client import Client
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from api import streams
from api.gateway import Gateway
from domain.access import Grant, Role
from drivers.simulator import SimulatorDriver
from manifests.contract import Update
from manifests.registry import kind_called
from runtime import accounts
from runtime.objects import Objects
from tests.api.serving import Served, serving
from tests.api.talking import Json, machines
from tests.disks import empty_qcow2
from tests.image_server import ImageServer
from tests.world import World, eventually

PLAIN = Subprotocol("plain.kubevirt.io")


@dataclass(frozen=True)
class Guest:
    """A simulated guest that runs, behind a gateway that is served."""

    world: World
    driver: SimulatorDriver
    served: Served
    token: str

    def connect(
        self, part: str, *, name: str = "vm", token: str = "", offered: Subprotocol | None = None
    ) -> AbstractAsyncContextManager[ClientConnection]:
        return websockets.connect(
            self.served.url.replace("https", "wss") + machines(self.world.name, name, part),
            ssl=self.served.trust,
            additional_headers={"Authorization": f"Bearer {token or self.token}"},
            subprotocols=[offered] if offered else None,
            proxy=None,
        )

    async def refusal(self, part: str, code: int, *, name: str = "vm", token: str = "") -> Json:
        """Return the Status of an upgrade that is refused."""
        with pytest.raises(InvalidStatus) as caught:
            async with self.connect(part, name=name, token=token):
                pass
        answer = caught.value.response
        status: Json = json.loads(answer.body or b"")
        assert answer.status_code == status["code"] == code, status
        assert (status["kind"], status["status"]) == ("Status", "Failure")
        return status


@pytest.fixture(scope="module")
async def world(client: Client, lived: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with ImageServer() as server:
        server.serve("/disk.qcow2", empty_qcow2())
        world = World(client, tmp_path_factory.mktemp("host"), server)
        await world.declare()
        yield world
        await world.end()


@pytest.fixture
async def guest(world: World, gateway: Gateway, admin_token: str, tmp_path: Path) -> AsyncIterator[Guest]:
    async with world.near() as driver, serving(gateway, tmp_path) as served:
        await world.objects.apply({**world.vm(), "spec": {**world.vm()["spec"], "network": {"tcp": [80]}}})
        await world.until_status("Running")
        yield Guest(world, driver, served, admin_token)
        await world.delete()


async def read_until(socket: ClientConnection, mark: bytes) -> bytes:
    got = b""
    async with asyncio.timeout(20):
        while mark not in got:
            got += await socket.recv(decode=False)
    return got


async def test_the_console_shows_what_was_printed_and_answers(guest: Guest) -> None:
    async with guest.connect("console", offered=PLAIN) as socket:
        assert socket.subprotocol == PLAIN
        assert b"Linux version" in await read_until(socket, b"ttyS0")
        await socket.send(b"ls\r")
        assert await read_until(socket, b"ls\r") == b"ls\r"


async def test_a_text_message_is_its_bytes(guest: Guest) -> None:
    async with guest.connect("portforward/80") as socket:
        assert socket.subprotocol is None
        await socket.send("grüezi")
        assert await read_until(socket, "grüezi".encode()) == "grüezi".encode()


async def test_the_screen_speaks_rfb(guest: Guest) -> None:
    async with guest.connect("vnc") as socket:
        assert await read_until(socket, b"\n") == b"RFB 003.008\n"


@pytest.mark.parametrize("part", ["portforward/80", "portforward/80/tcp"])
async def test_a_port_carries_much_both_ways(guest: Guest, part: str) -> None:
    sent = uuid.uuid4().bytes * 50_000

    async def say(socket: ClientConnection) -> None:
        for start in range(0, len(sent), 10_000):
            await socket.send(sent[start : start + 10_000])

    async with guest.connect(part) as socket:
        saying = asyncio.create_task(say(socket))
        got = b""
        while len(got) < len(sent):
            got += await socket.recv(decode=False)
        await saying
        assert got == sent


@pytest.mark.parametrize(
    "part",
    [
        "portforward",
        "portforward/0",
        "portforward/65536",
        "portforward/80/udp",
        "portforward/80/tcp/x",
        "portforward/x",
        "portforward/000080",
        "portforward/00000119999999",
    ],
)
async def test_what_is_no_port_is_refused(guest: Guest, part: str) -> None:
    assert "a TCP port of the guest from 1 to 65535" in (await guest.refusal(part, 400))["message"]


async def test_a_mistake_of_ours_before_the_upgrade_is_told_without_its_trace(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_arguments: object) -> None:
        raise RuntimeError("a secret of the gateway's own")

    monkeypatch.setattr(streams, "dial", broken)
    with structlog.testing.capture_logs() as logs:
        status = await guest.refusal("console", 500)
    assert status["reason"] == "InternalError"
    assert "secret" not in json.dumps(status)
    assert [(each["event"], each["log_level"]) for each in logs] == [("a stream failed before it began", "error")]


async def test_a_port_that_is_not_exposed_is_a_conflict_that_says_what_to_do(guest: Guest) -> None:
    status = await guest.refusal("portforward/81", 409)
    assert status["message"].endswith("TCP port 81 is not exposed; add it to spec.network.tcp")


async def test_a_guest_that_is_off_has_no_console_and_ends_the_ones_it_had(guest: Guest) -> None:
    async with guest.connect("console") as socket:
        await read_until(socket, b"ttyS0")
        await guest.world.ask(Update.STOP)
        with pytest.raises(ConnectionClosed) as caught:
            await read_until(socket, b"never")
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1000
    await guest.world.until_status("Stopped")
    status = await guest.refusal("console", 409)
    assert (status["reason"], "the guest is off; start it first" in status["message"]) == ("Conflict", True)


async def test_a_vm_that_is_not_there_is_not_found(guest: Guest) -> None:
    assert (await guest.refusal("console", 404, name="nobody"))["reason"] == "NotFound"


async def test_what_is_no_stream_is_refused(guest: Guest) -> None:
    assert (await guest.refusal("log", 400))["reason"] == "BadRequest"
    assert (await guest.refusal("", 400))["reason"] == "BadRequest"
    assert (await guest.refusal("nothing", 404))["reason"] == "NotFound"
    assert (await guest.refusal("console/extra", 404))["reason"] == "NotFound"


async def test_who_is_unknown_or_only_looks_gets_no_console(guest: Guest, client: Client) -> None:
    assert (await guest.refusal("console", 401, token="nobody"))["reason"] == "Unauthorized"
    viewer = f"viewer-{uuid.uuid4().hex[:8]}"
    token = await accounts.create(Objects(client), viewer, [Grant(namespace=guest.world.name, role=Role.VIEWER)])
    assert (await guest.refusal("console", 403, token=token))["reason"] == "Forbidden"


async def test_whose_account_is_taken_away_is_hung_up_on(
    guest: Guest, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHECKED", 0.2)
    editor = f"editor-{uuid.uuid4().hex[:8]}"
    token = await accounts.create(Objects(client), editor, [Grant(namespace=guest.world.name, role=Role.EDITOR)])
    async with guest.connect("console", token=token) as socket:
        await read_until(socket, b"ttyS0")
        await Objects(client).delete(kind_called("accounts"), editor)
        with pytest.raises(ConnectionClosed) as caught:
            await read_until(socket, b"never")
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008


async def test_a_client_that_leaves_without_a_word_leaves_nothing_open(guest: Guest, gateway: Gateway) -> None:
    async with guest.connect("console") as socket:
        await read_until(socket, b"ttyS0")
        assert gateway.waiting.now == 1
        socket.transport.abort()

        async def gone() -> bool:
            return gateway.waiting.now == 0

        await eventually(gone)


async def test_a_gateway_that_stops_ends_its_streams(guest: Guest) -> None:
    async with guest.connect("console") as socket:
        await read_until(socket, b"ttyS0")
        guest.served.server.should_exit = True
        with pytest.raises(ConnectionClosed):
            await read_until(socket, b"never")


async def test_a_stream_without_an_upgrade_is_refused_in_words(guest: Guest) -> None:
    head = f"GET {machines(guest.world.name, 'vm', 'console')} HTTP/1.1\r\nHost: gateway\r\n"
    said = await guest.served.said(f"{head}Authorization: Bearer {guest.token}\r\nConnection: close\r\n\r\n".encode())
    assert b"Upgrade request required" in said
