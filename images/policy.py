"""What an operator allows an import to reach and to use."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import Field

from domain.model import Value

_GIB = 2**30


class FetchPolicy(Value):
    """Limits of one import; the defaults suit a shared installation whose tenants are not trusted.

    allowed_networks:  networks that may be reached although they are not public (an image server in the data centre).
                       Empty means public addresses only. A laptop allows `127.0.0.0/8`.
    require_checksum:  refuse a source that pins no checksum.
    max_bytes:         most bytes a source may have, as served.
    max_output_bytes:  most bytes it may have once unpacked or converted.
    max_virtual_size:  most bytes its disk may show to a guest.
    connect_timeout:   seconds for resolving a name, connecting and the TLS handshake, each.
    read_timeout:      seconds a server may be silent.
    deadline:          seconds one attempt may take from start to publication; what was fetched stays for the next.
    ca_bundle:         PEM file of the authorities to trust instead of the usual ones.
    """

    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    require_checksum: bool = False
    max_bytes: int = Field(default=64 * _GIB, gt=0)
    max_output_bytes: int = Field(default=256 * _GIB, gt=0)
    max_virtual_size: int = Field(default=4096 * _GIB, gt=0)
    connect_timeout: float = Field(default=10.0, gt=0)
    read_timeout: float = Field(default=30.0, gt=0)
    deadline: float = Field(default=6 * 3600.0, gt=0)
    ca_bundle: Path | None = None
