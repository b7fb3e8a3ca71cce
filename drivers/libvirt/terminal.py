"""A guest's serial console as a socket: libvirt's stream at one end, the caller at the other, a thread in between.

One thread alone reads and writes the stream; libvirt's event loop only rings when there is something to read. (Two
threads blocking in one stream wait for each other when it ends.) The stream has a connection of its own: libvirt reads
nothing from a connection while a guest does not take what was typed, so no other call may share it.
"""

import contextlib
import selectors
import socket
import threading

import libvirt

_CHUNK = 65536
_QUIET = libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
_STALLED = 30.0
"""Seconds after which a caller who takes nothing is hung up on: libvirt keeps what the guest writes meanwhile."""


def attach(connection: libvirt.virConnect, uid: str) -> socket.socket:
    """Return a socket connected to a running guest's console. The connection is closed with it. Raises libvirtError.

    A console that somebody else holds is taken over, as `virsh console --force` does: whoever was cut off without
    hanging up would hold it for ever.
    """
    try:
        domain = connection.lookupByUUIDString(uid)
        stream = connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    except BaseException:
        connection.close()
        raise
    near, far = socket.socketpair()
    terminal = _Terminal(connection, stream, far)
    threading.Thread(target=terminal.carry, name=f"console-{uid}", daemon=True).start()
    return near


class _Terminal:
    """Carries until the guest or the caller ends it."""

    def __init__(self, connection: libvirt.virConnect, stream: libvirt.virStream, far: socket.socket) -> None:
        self._connection, self._stream, self._far = connection, stream, far
        self._bell, self._string = socket.socketpair()
        self._typed = self._shown = b""
        """What was read at one end and not written at the other yet."""
        for end in (self._far, self._bell, self._string):
            end.setblocking(False)  # noqa: FBT003 - the library's own signature

    def carry(self) -> None:
        """Carry bytes both ways; release everything at the end."""
        with contextlib.closing(self._connection), self._far, self._bell, self._string:
            with contextlib.suppress(libvirt.libvirtError, OSError):  # either end going is how a console ends
                self._stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE | _QUIET, self._ring, None)
                while self._wait() and self._from_caller() and self._from_guest():
                    pass
            with contextlib.suppress(libvirt.libvirtError):
                self._stream.eventRemoveCallback()
            with contextlib.suppress(libvirt.libvirtError):
                self._stream.abort()
            # libvirt never lets go of a removed callback, nor that of its stream, nor that of its connection (seen in
            # 9.0: remoteStreamCallbackFree). Freed by hand, all that stays is a few empty objects.
            self._stream.__del__()

    def _ring(self, stream: libvirt.virStream, _events: int, _opaque: object) -> None:
        """Wake the carrier, on the event loop's thread; it listens again when it has read everything."""
        with contextlib.suppress(libvirt.libvirtError, OSError):  # it may have ended by now
            stream.eventUpdateCallback(_QUIET)
            self._string.send(b"!")

    def _wait(self) -> bool:
        """Wait for something to do; tell whether there is any, in time."""
        with selectors.PollSelector() as ready:
            ready.register(self._bell, selectors.EVENT_READ)
            reading = 0 if self._typed else selectors.EVENT_READ
            writing = selectors.EVENT_WRITE if self._shown else 0
            if reading | writing:
                ready.register(self._far, reading | writing)
            found = {key.fileobj: events for key, events in ready.select(_STALLED if self._shown else None)}
        if self._bell in found:
            self._bell.recv(_CHUNK)
        if found.get(self._far, 0) & selectors.EVENT_WRITE:
            self._shown = self._shown[self._far.send(self._shown) :]
        return bool(found)

    def _from_caller(self) -> bool:
        """Pass on what was typed; tell whether the caller is still there."""
        if not self._typed:
            try:
                self._typed = self._far.recv(_CHUNK)
            except BlockingIOError:
                return True
            if not self._typed:
                return False
        sent = self._stream.send(self._typed)
        self._typed = self._typed[max(sent, 0) :]
        return True

    def _from_guest(self) -> bool:
        """Pass on what the guest wrote, unless the caller has to take something first; tell whether the guest is on."""
        while not self._shown:
            data = self._stream.recv(_CHUNK)
            if data == b"":
                return False
            if isinstance(data, int):  # nothing more for now
                writable = libvirt.VIR_STREAM_EVENT_WRITABLE if self._typed else 0
                self._stream.eventUpdateCallback(libvirt.VIR_STREAM_EVENT_READABLE | writable | _QUIET)
                return True
            with contextlib.suppress(BlockingIOError):
                data = data[self._far.send(data) :]
            self._shown = data
        return True
