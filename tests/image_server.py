"""A real HTTP server for images, which can be told to misbehave and counts what it serves.

    with ImageServer() as server:
        url = server.serve("/debian.qcow2", body)
        server.resource("/debian.qcow2").truncate_after = 1000
        ...
        assert server.bytes_served == len(body)

Understands one-part ranges and If-Range. `rate` limits each connection, in bytes per second, and may change at any
time. Give `tls` (a server-side context) for https.
"""

import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

_BLOCK = 64 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class Resource:
    """What one path answers. Fields may be changed between and during requests.

    body:           bytes, or a file.
    etag:           entity tag, or empty for none.
    last_modified:  HTTP date, or empty for none.
    status:         answer this status with an empty body instead.
    location:       answer a redirect to this URL.
    accepts_ranges: honour Range; without it every answer is the whole body.
    ignores_if_range: honour Range although the version asked for is another (a broken server).
    chunked:        send chunked, without a length.
    unframed:       send neither a length nor chunks: the end of the connection is the end of the body.
    truncate_after: close the connection after this many body bytes.
    stall_after:    fall silent after this many body bytes until the client leaves.
    headers:        further headers, over those above.
    range_headers:  the same for partial answers only.
    """

    body: bytes | Path
    etag: str = ""
    last_modified: str = ""
    status: int = 0
    location: str = ""
    accepts_ranges: bool = True
    ignores_if_range: bool = False
    chunked: bool = False
    unframed: bool = False
    truncate_after: int | None = None
    stall_after: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    range_headers: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)

    def blocks(self, start: int, end: int) -> Iterator[bytes]:
        if isinstance(self.body, Path):
            with self.body.open("rb") as file:
                file.seek(start)
                while start < end and (block := file.read(min(_BLOCK, end - start))):
                    start += len(block)
                    yield block
        else:
            for at in range(start, end, _BLOCK):
                yield self.body[at : min(at + _BLOCK, end)]


@dataclass
class Exchange:
    """One request as the server saw it; `served` grows while the body is sent."""

    path: str
    headers: dict[str, str]
    status: int = 0
    served: int = 0


class ImageServer:
    """Serves on the loopback device from start to stop; a context manager."""

    def __init__(self, *, rate: float | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.rate = rate
        self.exchanges: list[Exchange] = []
        self._resources: dict[str, Resource] = {}
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self, tls)
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def serve(self, path: str, body: bytes | Path, **behaviour: Any) -> str:
        """Put a body under a path and return its URL. The entity tag is the body's digest unless told otherwise."""
        if "etag" not in behaviour and isinstance(body, bytes):
            behaviour["etag"] = f'"{sha256(body).hexdigest()[:16]}"'
        self._resources[path] = Resource(body, **behaviour)
        return self.url + path

    def redirect(self, path: str, location: str, status: int = HTTPStatus.FOUND) -> str:
        """Make a path redirect and return its URL."""
        self._resources[path] = Resource(b"", status=status, location=location)
        return self.url + path

    def resource(self, path: str) -> Resource:
        """Return what a path answers, to change it."""
        return self._resources[path]

    @property
    def bytes_served(self) -> int:
        """Body bytes handed to the kernel for all requests so far."""
        return sum(exchange.served for exchange in list(self.exchanges))

    @property
    def requests(self) -> int:
        return len(self.exchanges)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int], owner: ImageServer, tls: ssl.SSLContext | None) -> None:
        self.owner = owner
        self.tls = tls
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(60)
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        try:
            secured = self.tls.wrap_socket(request, server_side=True)
        except OSError:
            return  # the client did not like the certificate: its test says what it expects
        with secured:
            super().finish_request(secured, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.close_connection = True
        owner = self.server.owner
        exchange = Exchange(self.path, {name.lower(): value for name, value in self.headers.items()})
        owner.exchanges.append(exchange)
        resource = owner._resources.get(self.path.partition("?")[0])
        try:
            if resource is None:
                self._empty(exchange, HTTPStatus.NOT_FOUND, {})
            elif resource.status:
                headers = {"Location": resource.location} if resource.location else {}
                self._empty(exchange, resource.status, headers | resource.headers)
            else:
                self._body(exchange, resource)
        except OSError:
            pass  # the client left, which is what many tests do

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Keep quiet: `exchanges` is the log."""

    def _empty(self, exchange: Exchange, status: int, headers: dict[str, str]) -> None:
        exchange.status = status
        self.send_response(status)
        for name, value in {"Content-Length": "0", "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, exchange: Exchange, resource: Resource) -> None:
        size = resource.size
        span = self._range(resource)
        if span is not None and span[0] >= size:
            self._empty(exchange, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
            return
        start, end = span or (0, size)
        headers = {"Connection": "close", "ETag": resource.etag, "Last-Modified": resource.last_modified}
        if span:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if resource.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif not resource.unframed:
            headers["Content-Length"] = str(end - start)
        exchange.status = HTTPStatus.PARTIAL_CONTENT if span else HTTPStatus.OK
        self.send_response(exchange.status)
        further = resource.headers | (resource.range_headers if span else {})
        for name, value in (headers | further).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self._send(exchange, resource, start, end)

    def _range(self, resource: Resource) -> tuple[int, int] | None:
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        condition = self.headers.get("If-Range", "")
        changed = condition not in ("", resource.etag, resource.last_modified)
        if match is None or not resource.accepts_ranges or (changed and not resource.ignores_if_range):
            return None
        return int(match[1]), min(int(match[2] or resource.size) + bool(match[2]), resource.size)

    def _send(self, exchange: Exchange, resource: Resource, start: int, end: int) -> None:
        started = monotonic()
        for block in resource.blocks(start, end):
            limit = min(
                (stop for stop in (resource.truncate_after, resource.stall_after) if stop is not None), default=end
            )
            part = block[: max(0, limit - exchange.served)]
            self._write(part, resource)
            exchange.served += len(part)
            if len(part) < len(block):
                if resource.stall_after is not None:
                    self._wait_for_the_client_to_leave()
                return
            self._pace(exchange.served, started)
        if resource.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _write(self, part: bytes, resource: Resource) -> None:
        if resource.chunked and part:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        else:
            self.wfile.write(part)

    def _pace(self, served: int, started: float) -> None:
        """Wait until the rate allows the next block, or the server closes."""
        owner = self.server.owner
        if owner.rate is not None and owner._closing.wait(max(0.0, served / owner.rate - (monotonic() - started))):
            raise ConnectionAbortedError

    def _wait_for_the_client_to_leave(self) -> None:
        self.connection.settimeout(0.1)
        while not self.server.owner._closing.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue
