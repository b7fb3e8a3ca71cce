"""Every hop is judged where its socket is made: the address that was judged is the one connected to."""

import socket
import ssl
import subprocess
import threading
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpcore
import pytest

from domain.image import ImportProgress
from domain.problem import Problem, Verdict
from images.policy import FetchPolicy
from images.pulse import Pulse
from images.stream import SlicedStream
from tests.image_server import ImageServer
from tests.images.conftest import LOCAL, Ensure, Refuse, ignore

STRICT = FetchPolicy()


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names resolve to the given addresses, one answer after the other; return the names asked for."""
    asked: list[str] = []

    def resolve(host: str, port: object, **_: object) -> list[Any]:
        asked.append(host)
        answer = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in answer]

    monkeypatch.setattr("images.network.socket.getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "0",
    ],
)
def test_10_an_inner_address_is_refused_however_it_is_written(
    server: ImageServer, refuses: Refuse, small_qcow2: bytes, host: str
) -> None:
    server.serve("/a.qcow2", small_qcow2)
    problem = refuses(f"http://{host}:{server.port}/a.qcow2", policy=STRICT)
    assert problem.reason in {"ImageSourceRefused", "InvalidSource"}
    assert server.requests == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "192.168.1.1", "[fd00:ec2::254]"])
def test_10_metadata_and_private_addresses_are_refused(refuses: Refuse, host: str) -> None:
    assert refuses(f"http://{host}/latest/meta-data/", policy=STRICT).reason == "ImageSourceRefused"


def test_10_the_operator_may_allow_a_network(server: ImageServer, ensure: Ensure, small_qcow2: bytes) -> None:
    url = server.serve("/a.qcow2", small_qcow2)
    assert ensure(url, policy=FetchPolicy(allowed_networks=(ip_network("127.0.0.1/32"),))).size == len(small_qcow2)


def test_10_one_inner_address_among_public_ones_refuses_the_name(
    refuses: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ["1.1.1.1", "127.0.0.1"])
    assert refuses("http://images.example/a", policy=STRICT).reason == "ImageSourceRefused"


def test_10_the_refusal_does_not_tell_what_a_name_resolves_to(refuses: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["10.11.12.13"])
    assert "10.11.12.13" not in str(refuses("http://images.example/a", policy=STRICT))


def test_11_a_name_is_resolved_once_for_each_connection_and_that_answer_is_connected_to(
    server: ImageServer, ensure: Ensure, monkeypatch: pytest.MonkeyPatch, small_qcow2: bytes
) -> None:
    server.serve("/a.qcow2", small_qcow2)
    asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    ensure(f"http://images.example:{server.port}/a.qcow2")
    assert asked == ["images.example"]
    assert server.exchanges[0].headers["host"] == f"images.example:{server.port}"


def test_11_a_name_that_turns_inward_between_two_hops_is_refused(
    server: ImageServer, refuses: Refuse, monkeypatch: pytest.MonkeyPatch, small_qcow2: bytes
) -> None:
    server.serve("/a.qcow2", small_qcow2)
    url = f"http://images.example:{server.port}"
    server.redirect("/start", f"{url}/a.qcow2")
    asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    assert refuses(f"{url}/start").reason == "ImageSourceRefused"
    assert (len(asked), server.requests) == (2, 1)


@pytest.mark.parametrize("location", ["http://10.0.0.1/a", "http://169.254.169.254/latest/", "http://[::1]/a"])
def test_11_a_redirect_inward_is_refused(server: ImageServer, refuses: Refuse, location: str) -> None:
    assert refuses(server.redirect("/start", location)).reason == "ImageSourceRefused"


def test_11_redirects_are_followed_and_nothing_secret_goes_with_them(
    server: ImageServer, ensure: Ensure, small_qcow2: bytes
) -> None:
    server.serve("/a.qcow2", small_qcow2)
    url = server.redirect("/start", "/middle", status=307)
    server.redirect("/middle", "/a.qcow2", status=301)
    server.resource("/start").headers["Set-Cookie"] = "session=secret"
    ensure(url)
    assert [exchange.path for exchange in server.exchanges] == ["/start", "/middle", "/a.qcow2"]
    assert not {"cookie", "authorization"} & server.exchanges[-1].headers.keys()


def test_11_five_redirects_are_enough(server: ImageServer, ensure: Ensure, refuses: Refuse, small_qcow2: bytes) -> None:
    server.serve("/0", small_qcow2)
    for hop in range(6):
        server.redirect(f"/{hop + 1}", f"/{hop}")
    assert refuses(f"{server.url}/6").reason == "ImageSourceRefused"
    ensure(f"{server.url}/5")


def test_a_redirect_without_a_place_is_no_image(server: ImageServer, fails: Refuse) -> None:
    assert fails(server.serve("/a", b"", status=302)).reason == "ImageUnreachable"


def test_nothing_from_the_environment_takes_part(
    server: ImageServer, ensure: Ensure, monkeypatch: pytest.MonkeyPatch, small_qcow2: bytes
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    ensure(server.serve("/a.qcow2", small_qcow2))


def test_the_next_address_is_tried_when_the_first_does_not_answer(
    server: ImageServer, ensure: Ensure, monkeypatch: pytest.MonkeyPatch, small_qcow2: bytes
) -> None:
    server.serve("/a.qcow2", small_qcow2)
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    ensure(f"http://images.example:{server.port}/a.qcow2")


def test_an_ipv6_address_is_connected_to(fails: Refuse) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as closed_soon:
        port = closed_soon.getsockname()[1]
    problem = fails(f"http://[::1]:{port}/a", policy=FetchPolicy(allowed_networks=(ip_network("::1/128"),)))
    assert (problem.reason, problem.verdict) == ("ImageUnreachable", Verdict.RETRY)


def test_an_address_no_route_leads_to_passes(fails: Refuse) -> None:
    problem = fails("http://255.255.255.255/a", policy=FetchPolicy(allowed_networks=(ip_network("0.0.0.0/0"),)))
    assert (problem.reason, problem.verdict) == ("ImageUnreachable", Verdict.RETRY)


def test_a_refused_connection_passes(fails: Refuse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    problem = fails(f"http://127.0.0.1:{port}/a?token=secret")
    assert (problem.reason, problem.verdict) == ("ImageUnreachable", Verdict.RETRY)
    assert "secret" not in str(problem)


def test_a_name_nobody_knows_passes(fails: Refuse) -> None:
    problem = fails("http://nobody.invalid/a")
    assert (problem.reason, problem.verdict) == ("ImageUnreachable", Verdict.RETRY)


def test_a_name_without_an_address_passes(fails: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, [])
    assert fails("http://images.example/a").reason == "ImageUnreachable"


def test_a_name_too_long_to_look_up_passes(fails: Refuse) -> None:
    assert fails(f"http://{'a' * 64}.example/a").reason in {"ImageUnreachable", "InvalidSource"}


def test_a_resolver_that_hangs_is_left_behind(fails: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr("images.network._look_up", lambda host: done.wait(60) and [])
    try:
        problem = fails("http://images.example/a", policy=LOCAL.model_copy(update={"connect_timeout": 0.2}))
        assert (problem.reason, problem.verdict) == ("ImageUnreachable", Verdict.RETRY)
    finally:
        done.set()


def test_a_host_that_does_not_answer_is_given_up(fails: Refuse) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # one connection fits the queue; the kernel drops the next ones
        for waiting in (first, second):
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        policy = LOCAL.model_copy(update={"connect_timeout": 0.7})
        assert fails(f"http://127.0.0.1:{full.getsockname()[1]}/a", policy=policy).reason == "ImageUnreachable"


def test_an_answer_that_is_not_http_passes(fails: Refuse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1000)
                client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        problem = fails(f"http://127.0.0.1:{listener.getsockname()[1]}/a")
        thread.join()
    assert (problem.reason, problem.verdict) == ("ImageUnreachable", Verdict.RETRY)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    return certificate


@pytest.fixture
def secure(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_https_is_fetched_from_a_server_the_operator_trusts(
    ensure: Ensure, secure: ssl.SSLContext, certificate: Path, small_qcow2: bytes
) -> None:
    with ImageServer(tls=secure) as server:
        url = server.serve("/a.qcow2", small_qcow2)
        assert ensure(url, policy=LOCAL.model_copy(update={"ca_bundle": certificate})).size == len(small_qcow2)


def test_https_with_an_unknown_certificate_is_not_fetched(
    fails: Refuse, secure: ssl.SSLContext, small_qcow2: bytes
) -> None:
    with ImageServer(tls=secure) as server:
        problem = fails(server.serve("/a.qcow2", small_qcow2))
        assert (problem.reason, server.requests) == ("ImageUnreachable", 0)
        assert "certificate" in problem.message


def test_https_with_a_certificate_for_another_name_is_not_fetched(
    fails: Refuse, secure: ssl.SSLContext, certificate: Path, small_qcow2: bytes
) -> None:
    with ImageServer(tls=secure) as server:
        server.serve("/a.qcow2", small_qcow2)
        policy = LOCAL.model_copy(update={"ca_bundle": certificate})
        problem = fails(f"https://localhost:{server.port}/a.qcow2", policy=policy)
        assert (problem.reason, server.requests) == ("ImageUnreachable", 0)


def test_a_tls_handshake_nobody_answers_is_given_up_and_beats_meanwhile(ensure: Ensure) -> None:
    beats: list[ImportProgress] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        policy = LOCAL.model_copy(update={"connect_timeout": 1.2})
        with pytest.raises(Problem, match=r"silent for 1\.2 s"):
            ensure(f"https://127.0.0.1:{silent.getsockname()[1]}/a", policy=policy, beat=beats.append)
    assert len(beats) >= 3


def test_what_a_beat_raises_is_not_taken_for_trouble_of_the_network(ensure: Ensure) -> None:
    beats = 0

    def stop(progress: ImportProgress) -> None:
        nonlocal beats
        beats += 1
        if beats == 3:
            raise TimeoutError("the caller's own")

    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError, match="the caller's own"):
        ensure(f"http://127.0.0.1:{silent.getsockname()[1]}/a", beat=stop)


def test_a_stream_says_nothing_about_its_socket(server: ImageServer) -> None:
    stream: httpcore.NetworkStream = SlicedStream(socket.socket(), Pulse(ignore, deadline=1))
    assert stream.get_extra_info("socket") is None
    stream.close()
