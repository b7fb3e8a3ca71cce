"""A socket that never blocks for long: every operation waits in slices and ticks between them."""

import errno
import os
import select
import socket
import ssl
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import httpcore

from images.address import Address
from images.pulse import SLICE, Pulse

_T = TypeVar("_T")
_IPV4 = 4


class SlicedStream(httpcore.NetworkStream):
    """The stream httpcore speaks HTTP over."""

    def __init__(self, connection: socket.socket, pulse: Pulse) -> None:
        self._socket = connection
        self._pulse = pulse

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the next bytes; an empty string at the end of the stream."""
        return self._sliced(partial(self._socket.recv, max_bytes), timeout, httpcore.ReadTimeout, httpcore.ReadError)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes."""
        rest = memoryview(buffer)
        while rest:
            sent = self._sliced(partial(self._socket.send, rest), timeout, httpcore.WriteTimeout, httpcore.WriteError)
            rest = rest[sent:]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the same connection under TLS, the server's certificate checked against its name."""
        try:
            secured = ssl_context.wrap_socket(
                self._socket, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            self._socket = secured
            self._sliced(secured.do_handshake, timeout, httpcore.ConnectTimeout, httpcore.ConnectError)
        except BaseException:
            self.close()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the signature is httpcore's
        """Return nothing: httpcore needs none of it for HTTP/1.1 over one connection per request."""

    def _sliced(
        self,
        operation: Callable[[], _T],
        timeout: float | None,
        late: type[httpcore.TimeoutException],
        broken: type[httpcore.NetworkError],
    ) -> _T:
        """Return the operation's result, begun anew after every slice in which nothing happened.

        Only the operation's own errors are translated; what a beat raises passes as it is.
        """
        ends = _deadline(timeout)
        self._socket.settimeout(SLICE)
        while True:
            try:
                return operation()
            except TimeoutError as error:
                if monotonic() >= ends:
                    raise late(f"it was silent for {timeout:g} s") from error
            except OSError as error:
                raise broken(str(error)) from error
            self._pulse.tick()


def connect(address: Address, port: int, timeout: float | None, pulse: Pulse) -> SlicedStream:
    """Return a connected stream; raise httpcore.ConnectError or ConnectTimeout."""
    connection = socket.socket(socket.AF_INET if address.version == _IPV4 else socket.AF_INET6)
    try:
        connection.settimeout(0)
        _establish(connection, (str(address), port), timeout, pulse)
    except BaseException:
        connection.close()
        raise
    return SlicedStream(connection, pulse)


def _establish(connection: socket.socket, peer: tuple[str, int], timeout: float | None, pulse: Pulse) -> None:
    code = connection.connect_ex(peer)
    if code == errno.EINPROGRESS:
        code = _outcome(connection, _deadline(timeout), pulse)
    if code:
        raise httpcore.ConnectError(os.strerror(code))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _outcome(connection: socket.socket, ends: float, pulse: Pulse) -> int:
    """Return the error number of a connection attempt under way, 0 for success."""
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    while not poll.poll(SLICE * 1000):
        if monotonic() >= ends:
            raise httpcore.ConnectTimeout("it does not answer")
        pulse.tick()
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _deadline(timeout: float | None) -> float:
    """Return the moment an operation must be over; no timeout means never, as httpcore has it."""
    return float("inf") if timeout is None else monotonic() + timeout
