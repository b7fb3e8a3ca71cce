"""libvirt's event loop: one per process, on a thread of its own.

It delivers events, notices broken connections and answers keepalives. It must run before the first connection opens.
"""

import logging
import threading

import libvirt

_LOG = logging.getLogger(__name__)
_lock = threading.Lock()
_started = threading.Event()


def ensure_event_loop() -> None:
    """Start the loop unless it runs; for the life of the process."""
    with _lock:
        if _started.is_set():
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # errors are raised; no second copy on stderr
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run, name="libvirt-events", daemon=True).start()
        _started.set()


def _run() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            _LOG.exception("libvirt's event loop met an error and goes on")
