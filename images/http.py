"""HTTP as an import needs it: one GET, redirects followed by hand, trouble in vmflow's words.

No proxy, cookie, stored credential or environment variable takes part, so nothing can follow a redirect to a stranger.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpcore
import httpx

from domain.problem import Problem
from images.network import GuardedBackend
from images.policy import FetchPolicy
from images.pulse import Pulse
from images.refusal import passing, refused
from images.source import next_hop, shown

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_HOPS = 5
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class Reply:
    """A server's answer, its body not yet read.

    url:     where it came from, after redirects.
    headers: any letter case.
    """

    def __init__(self, url: httpx.URL, response: httpcore.Response) -> None:
        self.url = url
        self.status = response.status
        self.headers = httpx.Headers(response.headers)
        self._response = response

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as served, in pieces of at most 64 KiB or so.

        Raises Problem.retry `ImageTruncated` when the connection ends before the body does, `ImageUnreachable` when
        the server falls silent.
        """
        with _translated(self.url, broken="ImageTruncated"):
            yield from self._response.iter_stream()


@contextmanager
def get(url: httpx.URL, headers: dict[str, str], *, policy: FetchPolicy, pinned: bool, pulse: Pulse) -> Iterator[Reply]:
    """Ask for a URL and yield the answer, whatever its status, after at most five redirects.

    pinned: a checksum vouches for the bytes, so a redirect may lead from https to http.
    Raises Problem.retry `ImageUnreachable`; Problem.terminal `ImageSourceRefused`, `InvalidSource`.
    """
    for _ in range(_MAX_HOPS + 1):
        with _exchange(url, headers, policy, pulse) as reply:
            location = reply.headers.get("location", "")
            if reply.status not in _REDIRECTS or not location:
                yield reply
                return
        url = next_hop(url, location, pinned=pinned)
    raise refused("ImageSourceRefused", f"more than {_MAX_HOPS} redirects; use the URL they lead to")


def refusal(reply: Reply) -> Problem:
    """Return the problem that an answer without an image means."""
    status, place = reply.status, shown(reply.url)
    if status in _GONE:
        return refused("ImageNotFound", f"there is no {place} (status {status}); correct the URL")
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PASSING:
        return refused("ImageForbidden", f"the server refuses {place} (status {status}); let vmflow read it")
    return passing("ImageUnreachable", f"the server answers {place} with status {status}")


@contextmanager
def _exchange(url: httpx.URL, headers: dict[str, str], policy: FetchPolicy, pulse: Pulse) -> Iterator[Reply]:
    """Make one connection for one request, so that no state outlives a hop."""
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    timeouts = {"connect": policy.connect_timeout, "read": policy.read_timeout, "write": policy.read_timeout}
    # Identity: the digest is over the bytes as served, and Range counts the same bytes.
    sent = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity", "User-Agent": "vmflow", **headers}
    request = httpcore.Request("GET", target, headers=list(sent.items()), extensions={"timeout": timeouts})
    tls = _tls(policy) if url.scheme == "https" else None
    with httpcore.ConnectionPool(ssl_context=tls, network_backend=GuardedBackend(policy, pulse)) as pool:
        with _translated(url, broken="ImageUnreachable"):
            response = pool.handle_request(request)
        try:
            yield Reply(url, response)
        finally:
            response.close()


def _tls(policy: FetchPolicy) -> ssl.SSLContext:
    if policy.ca_bundle is None:
        return httpx.create_ssl_context()
    return ssl.create_default_context(cafile=policy.ca_bundle)


@contextmanager
def _translated(url: httpx.URL, *, broken: str) -> Iterator[None]:
    """Turn httpcore's errors into problems; `broken` is the reason when a connection ends in the middle."""
    try:
        yield
    except (httpcore.RemoteProtocolError, httpcore.ReadError) as error:
        raise passing(broken, f"{shown(url)}: the connection ended early ({error})") from error
    except (httpcore.TimeoutException, httpcore.NetworkError) as error:
        raise passing("ImageUnreachable", f"{shown(url)} cannot be reached ({error})") from error
