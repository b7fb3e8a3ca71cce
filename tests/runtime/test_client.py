import asyncio
import time
import uuid

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.client import Client

from domain.problem import Problem, Verdict
from runtime.client import connect, ensure_search_attributes
from runtime.settings import Settings
from tests.temporal_server import free_port

KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
DATETIME = IndexedValueType.INDEXED_VALUE_TYPE_DATETIME


@pytest.fixture
def attribute() -> str:
    """Return a name no other test registers."""
    return f"Test{uuid.uuid4().hex[:8]}"


async def test_a_client_speaks_to_the_settings_server_and_namespace(temporal_settings: Settings) -> None:
    client = await connect(temporal_settings)
    assert client.namespace == "default"
    assert (await client.count_workflows()).count >= 0


@pytest.mark.parametrize(("whose", "remedy"), [("ours", "vmflow up"), ("another's", "check TEMPORAL_ADDRESS")])
async def test_a_silent_server_is_a_problem_in_bounded_time_that_says_what_to_do(whose: str, remedy: str) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    settings = Settings(temporal_port=port, external_address=None if whose == "ours" else address)
    began = time.monotonic()
    with pytest.raises(Problem) as caught:
        await connect(settings, patience=0.5)
    assert time.monotonic() - began < 5
    assert (caught.value.reason, caught.value.verdict) == ("TemporalUnreachable", Verdict.RETRY)
    assert caught.value.field == address
    assert remedy in caught.value.message


async def test_a_listener_that_is_no_temporal_server_is_a_problem_too() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(Problem) as caught:
            await connect(Settings(external_address=address), patience=2)
    assert caught.value.reason == "TemporalUnreachable"


async def test_a_server_that_comes_late_is_waited_for(temporal_settings: Settings) -> None:
    """A relay that opens after a while stands for a server that starts."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", temporal_settings.temporal_port)
        await asyncio.gather(copy(reader, back), copy(there, writer))

    port = free_port()
    connecting = asyncio.create_task(connect(Settings(temporal_port=port, external_address=None), patience=20))
    done, _ = await asyncio.wait([connecting], timeout=0.3)
    assert not done
    async with await asyncio.start_server(relay, "127.0.0.1", port):
        client = await connecting
        assert client.namespace == "default"


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65536):
        target.write(chunk)
        await target.drain()
    target.close()


async def test_registered_attributes_can_be_queried_at_once(client: Client, attribute: str) -> None:
    await ensure_search_attributes(client, {attribute: KEYWORD})
    assert (await client.count_workflows(f"{attribute} = 'x'")).count == 0


async def test_registering_twice_is_registering_once(client: Client, attribute: str) -> None:
    await ensure_search_attributes(client, {attribute: KEYWORD})
    await ensure_search_attributes(client, {attribute: KEYWORD})
    assert (await client.count_workflows(f"{attribute} = 'x'")).count == 0


async def test_processes_that_register_at_once_all_succeed(client: Client, attribute: str) -> None:
    await asyncio.gather(*(ensure_search_attributes(client, {attribute: KEYWORD}) for _ in range(3)))
    assert (await client.count_workflows(f"{attribute} = 'x'")).count == 0


async def test_registering_no_attributes_is_fine(client: Client) -> None:
    await ensure_search_attributes(client, {})


async def test_an_attribute_of_another_type_is_a_terminal_problem(client: Client, attribute: str) -> None:
    await ensure_search_attributes(client, {attribute: KEYWORD})
    with pytest.raises(Problem) as caught:
        await ensure_search_attributes(client, {attribute: DATETIME})
    assert (caught.value.reason, caught.value.verdict) == ("SearchAttributeType", Verdict.TERMINAL)
    assert caught.value.field == attribute
