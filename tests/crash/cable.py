"""A cable between a worker and its server. Cut, it shows each end what a machine shows that lost its power."""

import asyncio
from typing import Self


class Cable:
    """Carries every connection made to `address` to a server, until it is cut."""

    def __init__(self, server: asyncio.Server, ends: "set[_End]") -> None:
        self._server = server
        self._ends = ends
        self.address = "{}:{}".format(*server.sockets[0].getsockname())

    @classmethod
    async def lay(cls, address: str) -> Self:
        """Lay a cable to `host:port`."""
        host, _, port = address.rpartition(":")
        ends: set[_End] = set()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Near(ends, host, int(port)), "127.0.0.1", 0)
        return cls(server, ends)

    def cut(self) -> None:
        """Break every connection at once and take no more; what is on its way is lost."""
        self._server.close()
        for end in list(self._ends):
            end.transport.abort()


class _End(asyncio.Protocol):
    """One end of a connection; what it hears is said by its peer."""

    transport: asyncio.Transport

    def __init__(self, ends: "set[_End]") -> None:
        self._ends = ends
        self._unsaid = bytearray()
        self.peer: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._ends.add(self)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._unsaid += data
        else:
            self.peer.transport.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._ends.discard(self)
        if self.peer is not None:
            self.peer.transport.close()

    def join(self, peer: "_End") -> None:
        """Say from now on what the peer hears, and what it has heard so far."""
        self.peer, peer.peer = peer, self
        self.transport.write(bytes(peer._unsaid))


class _Near(_End):
    """The end at the worker: it calls the server as soon as it is called."""

    def __init__(self, ends: set[_End], host: str, port: int) -> None:
        super().__init__(ends)
        self._server = host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._calling = asyncio.get_running_loop().create_task(self._call())

    async def _call(self) -> None:
        try:
            _, far = await asyncio.get_running_loop().create_connection(lambda: _End(self._ends), *self._server)
        except OSError:
            self.transport.abort()
            return
        if self.transport.is_closing():
            far.transport.abort()
        else:
            far.join(self)
