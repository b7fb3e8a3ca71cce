"""The connection to one libvirt host: opened when needed, shared by all threads, opened anew when it broke."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import libvirt

from drivers.libvirt.errors import is_code, problem
from drivers.libvirt.events import ensure_event_loop

_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT = 5, 3
"""A daemon that does not answer for 5 s, four times in a row, is unreachable: 20 s at most."""


class Host:
    """One libvirt host, by connection URI."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._lock = threading.Lock()
        self._connection: libvirt.virConnect | None = None

    @property
    def local(self) -> bool:
        """Whether the hypervisor runs on this very machine: a URI without a host name."""
        return not urlsplit(self.uri).hostname

    @contextmanager
    def talking(self) -> Iterator[libvirt.virConnect]:
        """Yield the shared connection; libvirt's errors come out as Problems."""
        with self.translated():
            with self._lock:
                if self._connection is None or not alive(self._connection):
                    self._connection = self.opened()
                connection = self._connection
            with self.translated(connection):
                yield connection

    def opened(self) -> libvirt.virConnect:
        """Return a new connection; the caller closes it. Raises libvirtError."""
        ensure_event_loop()
        connection = libvirt.open(self.uri)
        connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)
        return connection

    @contextmanager
    def translated(self, connection: libvirt.virConnect | None = None) -> Iterator[None]:
        """Turn libvirt's errors into Problems; without a connection they say that there was none."""
        try:
            yield
        except libvirt.libvirtError as error:
            up = connection is not None and alive(connection)
            raise problem(error, uri=self.uri, alive=up) from error

    def close(self) -> None:
        """Let go of the connection; the next call opens another."""
        with self._lock:
            if self._connection is not None and alive(self._connection):
                self._connection.close()
            self._connection = None


def alive(connection: libvirt.virConnect) -> bool:
    """Tell whether a connection still stands, as far as this side knows; asks nobody."""
    try:
        return bool(connection.isAlive() == 1)
    except libvirt.libvirtError:
        return False


def find_domain(connection: libvirt.virConnect, uid: str) -> libvirt.virDomain | None:
    """Return a domain by UUID; None only when libvirt says in so many words that there is none."""
    try:
        return connection.lookupByUUIDString(uid)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            return None
        raise
