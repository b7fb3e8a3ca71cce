"""A line to the Temporal server that can be cut, as networks are."""

import asyncio
from contextlib import suppress

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RetryConfig


class Line:
    """Forwards a loopback port of its own to a server's address."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._ends: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def client(self) -> Client:
        """Connect over the line, with a client that does not try again for long."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        once = RetryConfig(max_retries=1, initial_interval_millis=1)
        return await Client.connect(f"127.0.0.1:{port}", retry_config=once, data_converter=pydantic_data_converter)

    def cut(self) -> None:
        """Cut the line for good."""
        if self._server is not None:
            self._server.close()
        for end in self._ends:
            end.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, int(self._port))
        self._ends += [writer, far_writer]
        await asyncio.gather(_forward(reader, far_writer), _forward(far_reader, writer))


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
