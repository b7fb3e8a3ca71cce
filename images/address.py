"""Which network addresses an import may connect to. Pure."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is handed out as global unicast so far (RFC 4291, IANA)."""
_SPECIAL = (ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24"))
"""Protocol assignments and the 6to4 relay (RFC 6890): nobody serves images there, whatever Python calls them."""


def effective(address: Address) -> Address:
    """Return the address packets really go to: `::ffff:127.0.0.1` is 127.0.0.1."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def may_reach(address: Address, allowed: Iterable[Network]) -> bool:
    """Tell whether an import may connect to an `effective` address.

    Public unicast addresses are open to everybody. Anything else (loopback, private, link-local with its metadata
    service, shared, multicast, reserved, and tunnels that hide another address inside) needs the operator's word.
    """
    return any(address in network for network in allowed) or _is_public(address)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        tunnel = address.sixtofour or address.teredo
        return address in _UNICAST and address.is_global and not tunnel
    return address.is_global and not address.is_multicast and not any(address in network for network in _SPECIAL)
