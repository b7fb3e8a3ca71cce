"""A small HTTP server for disk images in one folder, on the loopback interface only.

    python -m runtime.image_server --directory FOLDER --port PORT      (port 0: any free one; the address is printed)

It serves what an image import relies on: HEAD, validators (ETag, Last-Modified), conditional requests and single byte
ranges (RFC 9110, sections 13 and 14). It lists nothing, follows no symbolic link and knows no subfolders.
"""

import argparse
import os
import re
import stat
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class Span(NamedTuple):
    """The bytes from `start` up to and without `end`; `asked` when the client asked for a range."""

    start: int
    end: int
    asked: bool = True


class Handler(BaseHTTPRequestHandler):
    """Answers for the files directly inside `directory`."""

    protocol_version = "HTTP/1.1"
    server_version = "vmflow"
    timeout = 60
    """Seconds a connection may stand still."""

    def __init__(self, *arguments: object, directory: Path) -> None:
        self._directory = directory
        super().__init__(*arguments)  # type: ignore[arg-type]  # the server passes them through as it got them

    def do_GET(self) -> None:
        """Send a file, or the range of it that was asked for."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send what GET would, without the bytes."""
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        """Say nothing: the caller's log tells what was fetched."""

    def _answer(self, *, body: bool) -> None:
        file = self._open()
        if file is None:
            self._head(HTTPStatus.NOT_FOUND, {"Content-Length": "0"})
            return
        with file:
            facts = os.fstat(file.fileno())
            validators = {
                "ETag": f'"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"',
                "Last-Modified": formatdate(facts.st_mtime, usegmt=True),
                "Accept-Ranges": "bytes",
            }
            if self.headers.get("If-None-Match") in ("*", validators["ETag"]):
                self._head(HTTPStatus.NOT_MODIFIED, validators)
                return
            span = self._span(facts.st_size, validators)
            if span is None:
                refusal = {"Content-Range": f"bytes */{facts.st_size}", "Content-Length": "0"}
                self._head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, refusal)
                return
            self._send(file, span, facts.st_size, validators, body=body)

    def _send(self, file: BinaryIO, span: Span, size: int, validators: dict[str, str], *, body: bool) -> None:
        headers = {
            **validators,
            "Content-Type": "application/octet-stream",
            "Content-Length": str(span.end - span.start),
        }
        if span.asked:
            headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
        self._head(HTTPStatus.PARTIAL_CONTENT if span.asked else HTTPStatus.OK, headers)
        if body and span.end > span.start:
            try:
                self.connection.sendfile(file, span.start, span.end - span.start)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client has had enough; an import that was broken off does this

    def _span(self, size: int, validators: dict[str, str]) -> Span | None:
        """Return what to send; None when the range lies outside the file (RFC 9110, section 14.1.2)."""
        everything = Span(0, size, asked=False)
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        if wanted is None or wanted.groups() == ("", ""):
            return everything
        if self.headers.get("If-Range", validators["ETag"]) not in (validators["ETag"], validators["Last-Modified"]):
            return everything
        first, last = wanted.groups()
        if not first:
            return Span(max(0, size - int(last)), size) if int(last) and size else None
        if last and int(last) < int(first):
            return everything
        end = min(size, int(last) + 1) if last else size
        return Span(int(first), end) if int(first) < size else None

    def _open(self) -> BinaryIO | None:
        """Open the regular file the request names; None when there is none."""
        name = unquote(urlsplit(self.path).path).removeprefix("/")
        if not name or name.startswith(".") or "/" in name or "\0" in name:
            return None
        try:
            descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return os.fdopen(descriptor, "rb")

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def make_server(directory: Path, port: int) -> ThreadingHTTPServer:
    """Return a server bound to the loopback interface; the caller calls `serve_forever` and closes it."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=directory.resolve(strict=True)))


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m runtime.image_server", description="Serve disk images over HTTP.")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    with make_server(arguments.directory, arguments.port) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)  # noqa: T201 (a command's answer)
        server.serve_forever()


if __name__ == "__main__":
    main()
