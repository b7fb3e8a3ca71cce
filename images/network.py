"""The only place where an import opens connections.

Resolving, judging and connecting happen together, so the address that was judged is the address connected to: a name
that resolves differently a moment later (DNS rebinding) or is written oddly (`0x7f.1`) gains nothing.
"""

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from threading import Thread
from time import monotonic
from typing import Any

import httpcore

from images.address import Address, effective, may_reach
from images.policy import FetchPolicy
from images.pulse import SLICE, Pulse
from images.refusal import passing, refused
from images.stream import SlicedStream, connect

_Answer = list[Address] | OSError | UnicodeError


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to hosts all of whose addresses the policy allows."""

    def __init__(self, policy: FetchPolicy, pulse: Pulse) -> None:
        self._policy = policy
        self._pulse = pulse

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - the signature is httpcore's
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - the signature is httpcore's
    ) -> SlicedStream:
        """Return a stream to the first of the host's addresses that answers.

        Raises Problem.terminal `ImageSourceRefused` when the policy forbids any of them; the message does not tell
        what a name resolves to, which would let strangers map the network from inside.
        """
        addresses = _resolve(host, self._policy.connect_timeout, self._pulse)
        if not all(may_reach(address, self._policy.allowed_networks) for address in addresses):
            raise refused(
                "ImageSourceRefused",
                f"{host} is not on the public internet; serve the image from a network the operator allows "
                "(VMFLOW_ALLOWED_NETWORKS where the hypervisor's worker is started)",
            )
        failure: httpcore.NetworkError | httpcore.TimeoutException = httpcore.ConnectError("it has no address")
        for address in addresses:
            try:
                return connect(address, port, timeout, self._pulse)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _resolve(host: str, timeout: float, pulse: Pulse) -> list[Address]:
    """Return the host's addresses, each as the one packets go to.

    The system's resolver cannot be interrupted, so a thread of its own waits for it and is left behind when time is
    up: it holds nothing and ends by itself.
    """
    answers: list[_Answer] = []
    thread = Thread(target=lambda: answers.append(_look_up(host)), name="resolve", daemon=True)
    thread.start()
    ends = monotonic() + timeout
    while thread.is_alive() and monotonic() < ends:
        thread.join(min(SLICE, timeout))
        pulse.tick()
    if not answers:
        raise passing("ImageUnreachable", f"looking up {host} took more than {timeout:g} s")
    if isinstance(answers[0], Exception):
        raise passing("ImageUnreachable", f"{host} cannot be looked up") from answers[0]
    return answers[0]


def _look_up(host: str) -> _Answer:
    try:
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
    return [effective(ip_address(row[4][0])) for row in rows]
