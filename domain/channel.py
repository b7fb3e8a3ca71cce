"""Ways into a running guest that carry bytes both ways."""

from enum import StrEnum


class Endpoint(StrEnum):
    """What of a guest a channel is connected to."""

    CONSOLE = "console"
    """The serial console: a terminal."""
    VNC = "vnc"
    """The screen, by the RFB protocol."""
    PORT = "port"
    """A TCP port the guest listens on."""
