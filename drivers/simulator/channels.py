"""Channels into a simulated guest: a console that echoes, a screen that only greets, ports that echo."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable

from domain.channel import Endpoint

_CHUNK = 65536
_TICK = 0.1
"""Seconds between two looks at whether the guest is still there: it runs by the clock, and nobody tells of its end."""
_RFB = b"RFB 003.008\n"
"""What every VNC server says first (RFC 6143, 7.1.1)."""


def open_channel(endpoint: Endpoint, printed: bytes, there: Callable[[], bool]) -> socket.socket:
    """Return one end of a pair; at the other sits the guest.

    printed: what its console shows by now; there: tells whether it still runs.
    """
    greeting = {Endpoint.CONSOLE: printed, Endpoint.VNC: _RFB, Endpoint.PORT: b""}[endpoint]
    near, far = socket.socketpair()
    threading.Thread(target=_sit, args=(far, greeting, there), name="simulated-channel", daemon=True).start()
    return near


def _sit(far: socket.socket, greeting: bytes, there: Callable[[], bool]) -> None:
    """Greet, and echo until the guest is gone or the other end hangs up."""
    with far, contextlib.suppress(OSError):
        far.sendall(greeting)
        while there():
            if not select.select([far], [], [], _TICK)[0]:
                continue
            data = far.recv(_CHUNK)
            if not data:
                return
            far.sendall(data)
