"""A gateway behind a real socket with TLS, in this process, and raw connections to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from api import tls
from api.__main__ import Server, config, names
from api.app import application
from api.gateway import Gateway
from runtime.settings import Settings
from tests.temporal_server import private_settings
from tests.world import eventually


@dataclass(frozen=True)
class Served:
    """Where it listens, and whom its clients trust."""

    settings: Settings
    server: Server

    @property
    def url(self) -> str:
        return self.settings.gateway_url

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.settings.gateway_directory / "ca.crt")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.settings.gateway_port, ssl=self.trust)

    async def said(self, raw: bytes) -> bytes:
        """Send bytes and return everything that comes back until the connection is closed."""
        reader, writer = await self.connect()
        writer.write(raw)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def serving(gateway: Gateway, home: Path) -> AsyncIterator[Served]:
    settings = private_settings(home)
    context = tls.ensure(settings.gateway_directory, names(settings))
    server = Server(config(application(gateway), settings, context), gateway)
    task = asyncio.create_task(server._serve())
    try:
        await eventually(lambda: _started(server))
        yield Served(settings, server)
    finally:
        gateway.stop()
        server.should_exit = True
        await task


async def _started(server: Server) -> bool:
    return server.started
