import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from runtime.image_server import make_server

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "disk.qcow2").write_bytes(CONTENT)
    (folder / "empty.raw").touch()
    (folder / ".hidden").write_text("x")
    (folder / "sub").mkdir()
    (folder / "sub/inner.raw").write_text("x")
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    return folder


@pytest.fixture
def images(folder: Path) -> Iterator[httpx.Client]:
    with make_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client:
            yield client
        server.shutdown()
        thread.join()


def test_a_file_comes_whole_with_its_length_and_validators(images: httpx.Client, folder: Path) -> None:
    answer = images.get("/disk.qcow2")
    assert (answer.status_code, answer.content) == (HTTPStatus.OK, CONTENT)
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    modified = parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()
    assert modified == int((folder / "disk.qcow2").stat().st_mtime)


def test_head_tells_the_same_without_the_bytes(images: httpx.Client) -> None:
    whole, head = images.get("/disk.qcow2"), images.head("/disk.qcow2")
    assert head.content == b""
    assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0),
        ("100-199", 100, 199),
        (f"{SIZE - 5}-", SIZE - 5, SIZE - 1),
        ("0-", 0, SIZE - 1),
        ("-7", SIZE - 7, SIZE - 1),
        (f"-{SIZE + 100}", 0, SIZE - 1),
        (f"5-{SIZE + 100}", 5, SIZE - 1),
    ],
)
def test_a_range_comes_as_asked(images: httpx.Client, asked: str, first: int, last: int) -> None:
    answer = images.get("/disk.qcow2", headers={"Range": f"bytes={asked}"})
    assert answer.status_code == HTTPStatus.PARTIAL_CONTENT
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.content == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", [f"{SIZE}-", f"{SIZE + 1}-{SIZE + 9}", "-0"])
def test_a_range_outside_the_file_cannot_be_had(images: httpx.Client, asked: str) -> None:
    answer = images.get("/disk.qcow2", headers={"Range": f"bytes={asked}"})
    assert answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=0-1,4-5", "lines=1-2", "bytes=a-b"])
def test_a_range_nobody_understands_is_ignored(images: httpx.Client, asked: str) -> None:
    answer = images.get("/disk.qcow2", headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (HTTPStatus.OK, SIZE)


def test_a_resume_of_the_same_file_gets_the_rest(images: httpx.Client) -> None:
    headers = images.head("/disk.qcow2").headers
    for validator in (headers["ETag"], headers["Last-Modified"]):
        answer = images.get("/disk.qcow2", headers={"Range": "bytes=9-", "If-Range": validator})
        assert (answer.status_code, answer.content) == (HTTPStatus.PARTIAL_CONTENT, CONTENT[9:])


def test_a_resume_of_a_file_that_changed_gets_all_of_it(images: httpx.Client, folder: Path) -> None:
    before = images.head("/disk.qcow2").headers["ETag"]
    (folder / "disk.qcow2").write_bytes(b"another")
    answer = images.get("/disk.qcow2", headers={"Range": "bytes=3-", "If-Range": before})
    assert (answer.status_code, answer.content) == (HTTPStatus.OK, b"another")


def test_an_unchanged_file_is_not_sent_again(images: httpx.Client) -> None:
    etag = images.head("/disk.qcow2").headers["ETag"]
    answer = images.get("/disk.qcow2", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (HTTPStatus.NOT_MODIFIED, b"")


def test_an_empty_file_is_a_file(images: httpx.Client) -> None:
    assert images.get("/empty.raw").status_code == HTTPStatus.OK
    assert images.get("/empty.raw", headers={"Range": "bytes=-1"}).status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/missing",
        "/.hidden",
        "/sub",
        "/sub/",
        "/sub/inner.raw",
        "/link",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/%00",
    ],
)
def test_nothing_but_the_folder_s_own_files_is_served(images: httpx.Client, path: str) -> None:
    assert images.get(path).status_code == HTTPStatus.NOT_FOUND


def test_a_pipe_in_the_folder_does_not_hang_the_server(images: httpx.Client, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert images.get("/pipe").status_code == HTTPStatus.NOT_FOUND


def test_a_raw_path_with_dots_does_not_leave_the_folder(images: httpx.Client) -> None:
    """HTTP libraries tidy such paths before they send them; an attacker's does not."""
    with socket.create_connection((images.base_url.host, images.base_url.port or 0)) as connection:
        connection.sendall(b"GET /../secret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 404 ")


def test_a_connection_serves_several_requests(images: httpx.Client) -> None:
    for _ in range(3):
        assert images.get("/missing").status_code == HTTPStatus.NOT_FOUND
        assert images.get("/disk.qcow2", headers={"Range": "bytes=0-3"}).content == CONTENT[:4]


def test_a_client_that_leaves_early_does_no_harm(images: httpx.Client, folder: Path) -> None:
    with (folder / "large.raw").open("wb") as file:
        file.truncate(64 * 2**20)
    with images.stream("GET", "/large.raw") as answer:
        next(answer.iter_raw(1024))
    assert images.get("/disk.qcow2").content == CONTENT


def test_the_command_prints_its_address_and_serves(folder: Path) -> None:
    argv = [sys.executable, "-m", "runtime.image_server", "--directory", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            address = server.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            assert httpx.get(f"{address}disk.qcow2").content == CONTENT
        finally:
            server.kill()
