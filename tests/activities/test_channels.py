"""The relay near a hypervisor: who is let in, what is carried, and what is left when either side goes."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Any, cast
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities import channels
from activities.channels import Channels, Streams
from domain.channel import Endpoint
from domain.problem import Problem
from drivers.base import Driver
from manifests.contract import ChannelAnswer, ChannelRequest
from runtime.certificates import self_signed, trusting
from tests.world import eventually

LOOPBACK = "127.0.0.1"


class Host:
    """A driver whose guests' ends of the channels are in the test's hands."""

    def __init__(self) -> None:
        self.guests: list[socket.socket] = []
        self.asked: list[tuple[str, Endpoint, int]] = []
        self.before: Callable[[], None] = lambda: None

    def open_channel(self, uid: str, *, endpoint: Endpoint, port: int = 0) -> socket.socket:
        self.asked.append((uid, endpoint, port))
        self.before()
        near, far = socket.socketpair()
        self.guests.append(far)
        return near

    async def guest(self) -> Streams:
        """Return the guest's end of the newest channel."""
        return await asyncio.open_connection(sock=self.guests.pop())


class Relay:
    """A relay and its clients."""

    def __init__(self, relay: Channels) -> None:
        self.channels = relay
        self._writers: list[asyncio.StreamWriter] = []

    async def admit(self, secret: str, **fields: Any) -> ChannelAnswer:
        ticket = sha256(secret.encode()).hexdigest()
        given = {"hypervisor": "h", "uid": "u", "endpoint": Endpoint.CONSOLE, "ticket": ticket, **fields}
        return await ActivityEnvironment().run(self.channels.admit, ChannelRequest(**given))

    async def reach(self, answer: ChannelAnswer, said: bytes) -> Streams:
        """Connect and say something."""
        streams = await asyncio.open_connection(answer.host, answer.port, ssl=trusting(answer.certificate))
        self._writers.append(streams[1])
        streams[1].write(said)
        return streams

    async def enter(self, **fields: Any) -> Streams:
        """Be let in."""
        secret = uuid4().hex
        streams = await self.reach(await self.admit(secret, **fields), f"{secret}\n".encode())
        assert await told(streams) == {}
        return streams

    async def left(self) -> None:
        """Wait until nobody is served any more."""

        async def nobody() -> bool:
            return not self.channels._served

        await eventually(nobody)

    async def close(self) -> None:
        self.channels.close()
        for writer in self._writers:
            writer.transport.abort()
        await self.left()


@pytest.fixture
def there() -> Host:
    return Host()


@pytest.fixture
async def relay(there: Host) -> AsyncIterator[Relay]:
    relay = Relay(Channels(cast("Driver", there), LOOPBACK, identity))
    yield relay
    await relay.close()
    for guest in there.guests:
        guest.close()


def identity() -> tuple[ssl.SSLContext, str]:
    made = self_signed("test", (LOOPBACK,))
    return made.server_context(), made.certificate


async def told(streams: Streams) -> dict[str, str]:
    answer: dict[str, str] = json.loads(await streams[0].readuntil(b"\n"))
    return answer


async def until_ended(streams: Streams) -> bytes:
    """Return what comes until the other side hangs up."""
    async with asyncio.timeout(30):
        return await streams[0].read()


async def test_whoever_shows_the_secret_is_connected_to_what_the_ticket_names(relay: Relay, there: Host) -> None:
    client = await relay.enter(uid="web", endpoint=Endpoint.PORT, port=80)
    guest = await there.guest()
    assert there.asked == [("web", Endpoint.PORT, 80)]
    client[1].write(b"GET /")
    assert await guest[0].readexactly(5) == b"GET /"
    guest[1].write(b"200 OK")
    assert await client[0].readexactly(6) == b"200 OK"
    guest[1].close()


async def test_everybody_is_told_the_same_place_and_a_certificate_for_it(relay: Relay) -> None:
    first, second = await asyncio.gather(relay.admit("one"), relay.admit("two"))
    assert first == second
    assert first.host == LOOPBACK


async def test_a_ticket_is_good_once(relay: Relay) -> None:
    answer = await relay.admit("secret")
    assert await told(await relay.reach(answer, b"secret\n")) == {}
    again = await relay.reach(answer, b"secret\n")
    assert (await told(again))["reason"] == "Forbidden"
    assert await until_ended(again) == b""


async def test_a_ticket_taken_twice_is_one(relay: Relay) -> None:
    await relay.admit("secret")
    answer = await relay.admit("secret")
    assert await told(await relay.reach(answer, b"secret\n")) == {}
    assert (await told(await relay.reach(answer, b"secret\n")))["reason"] == "Forbidden"


@pytest.mark.parametrize(
    "said", [b"wrong\n", b"\n", b"x" * 100_000, b"GET / HTTP/1.1\r\n\r\n"], ids=lambda said: said[:5]
)
async def test_a_wrong_secret_opens_nothing_and_spoils_no_ticket(relay: Relay, there: Host, said: bytes) -> None:
    answer = await relay.admit("secret")
    assert (await told(await relay.reach(answer, said)))["reason"] == "Forbidden"
    assert there.asked == []
    assert await told(await relay.reach(answer, b"secret\n")) == {}


async def test_the_ticket_itself_opens_nothing(relay: Relay) -> None:
    answer = await relay.admit("secret")
    ticket = sha256(b"secret").hexdigest().encode()
    assert (await told(await relay.reach(answer, ticket + b"\n")))["reason"] == "Forbidden"


async def test_an_old_ticket_opens_nothing(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "VALID", 0.05)
    answer = await relay.admit("secret")
    monkeypatch.setattr(channels, "VALID", 30.0)
    await asyncio.sleep(0.1)  # it is time itself that makes it old
    assert (await told(await relay.reach(answer, b"secret\n")))["reason"] == "Forbidden"


async def test_old_tickets_are_forgotten(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "VALID", 0.0)
    for secret in ("one", "two", "three"):
        await relay.admit(secret)
    assert len(relay.channels._tickets) == 1


async def test_who_says_nothing_is_sent_away(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "VALID", 0.2)
    silent = await relay.reach(await relay.admit("secret"), b"")
    assert (await told(silent))["reason"] == "Forbidden"
    await relay.left()


async def test_who_hangs_up_before_showing_anything_is_forgotten(relay: Relay) -> None:
    answer = await relay.admit("secret")
    (await relay.reach(answer, b"half"))[1].close()
    await relay.left()
    assert await told(await relay.reach(answer, b"secret\n")) == {}


async def test_what_is_in_the_way_is_told_with_its_verdict(relay: Relay, there: Host) -> None:
    def off() -> None:
        raise Problem.wait("GuestNotRunning", "the guest is off", field="u")

    there.before = off
    client = await relay.reach(await relay.admit("secret"), b"secret\n")
    expected = {"reason": "GuestNotRunning", "message": "the guest is off", "verdict": "Wait"}
    assert await told(client) == expected
    assert await until_ended(client) == b""


async def test_a_guest_that_hangs_up_ends_the_channel_after_its_last_byte(relay: Relay, there: Host) -> None:
    client, guest = await relay.enter(), await there.guest()
    last = b"x" * 3_000_000
    guest[1].write(last)
    guest[1].close()
    assert await until_ended(client) == last
    await relay.left()


async def test_a_client_that_hangs_up_ends_the_channel_after_its_last_byte(relay: Relay, there: Host) -> None:
    client, guest = await relay.enter(), await there.guest()
    last = b"x" * 3_000_000
    client[1].write(last)
    client[1].close()
    assert await until_ended(guest) == last
    guest[1].close()
    await relay.left()


async def test_a_client_that_is_cut_off_ends_the_channel(relay: Relay, there: Host) -> None:
    client, guest = await relay.enter(), await there.guest()
    client[1].transport.abort()
    await until_ended(guest)
    guest[1].close()
    await relay.left()


async def test_a_guest_that_is_cut_off_ends_the_channel(relay: Relay, there: Host) -> None:
    client, guest = await relay.enter(), await there.guest()
    client[1].write(b"never read")
    await client[1].drain()
    guest[1].transport.abort()
    await until_ended(client)
    await relay.left()


async def test_a_slow_client_holds_its_guest_up_and_fills_no_memory(relay: Relay, there: Host) -> None:
    client, guest = await relay.enter(), await there.guest()
    size, sent = 64 * 1024 * 1024, 0

    async def flood() -> None:
        nonlocal sent
        while sent < size:
            guest[1].write(b"x" * 65536)
            await guest[1].drain()
            sent += 65536

    flooding = asyncio.create_task(flood())
    await stalled(lambda: sent)
    assert 0 < sent < size / 2
    received = 0
    while received < size:
        received += len(await client[0].read(65536))
    await flooding
    guest[1].close()


async def test_a_guest_that_takes_nothing_is_given_up(
    relay: Relay, there: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "STALLED", 0.2)
    monkeypatch.setattr(channels, "PARTING", 0.2)
    client = await relay.enter()
    (stubborn,) = there.guests
    client[1].write(b"x" * 8_000_000)
    await relay.left()
    stubborn.settimeout(30)
    while stubborn.recv(1_000_000):  # what the kernel had taken by then, and the end
        pass


async def test_closing_the_relay_hangs_up_on_everybody_and_lets_nobody_in(relay: Relay, there: Host) -> None:
    answer = await relay.admit("secret")
    client, guest = await relay.enter(), await there.guest()
    relay.channels.close()
    assert await until_ended(client) == b""
    assert await until_ended(guest) == b""
    guest[1].close()
    await relay.left()
    with pytest.raises(ConnectionRefusedError):
        await relay.reach(answer, b"secret\n")


@pytest.mark.parametrize("way", ["reached", "refused"])
async def test_a_guest_that_is_reached_too_late_is_let_go(relay: Relay, there: Host, way: str) -> None:
    loop, reached, go_on = asyncio.get_running_loop(), asyncio.Event(), socket.socketpair()

    def slowly() -> None:
        loop.call_soon_threadsafe(reached.set)
        go_on[0].recv(1)
        if way == "refused":
            raise Problem.wait("GuestNotRunning", "the guest is off", field="u")

    there.before = slowly
    await relay.reach(await relay.admit("secret"), b"secret\n")
    await reached.wait()
    relay.channels.close()
    await relay.left()
    go_on[1].send(b"!")
    if way == "reached":
        await eventually(lambda: has(there.guests))
        guest = await there.guest()
        assert await until_ended(guest) == b""
        guest[1].close()
    for end in go_on:
        end.close()


async def test_an_address_that_is_not_this_machines_is_named(there: Host) -> None:
    relay = Channels(cast("Driver", there), "192.0.2.1", identity)
    with pytest.raises(Problem, match="name an address of this machine") as caught:
        await Relay(relay).admit("secret")
    assert (caught.value.reason, caught.value.field) == ("CannotListen", "192.0.2.1")
    relay.close()


async def has(some: list[socket.socket]) -> bool:
    return bool(some)


async def stalled(measure: Callable[[], int]) -> None:
    """Wait until a number has stopped changing for a while."""
    last, same = -1, 0

    async def still() -> bool:
        nonlocal last, same
        same = same + 1 if measure() == last else 0
        last = measure()
        return same >= 10

    await eventually(still)
