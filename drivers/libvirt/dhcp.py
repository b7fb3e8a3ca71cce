"""Giving a removed guest's address back to a DHCP server of this machine.

The server would keep it until its lease runs out: in a network of 253 addresses and leases of an hour, the 254th guest
of a busy hour would get none.

Sources: RFC 2131 (the message and DHCPRELEASE), RFC 2132 (options 53 and 54).
"""

import secrets
import socket
import struct
from ipaddress import IPv4Address

_MESSAGE = struct.Struct("!BBBB4sHH4s4s4s4s16s64s128s4s")
"""op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file, magic cookie."""
_REQUEST, _ETHERNET, _NOBODY = 1, 1, bytes(4)
_COOKIE = bytes((99, 130, 83, 99))
_MESSAGE_TYPE, _RELEASE, _SERVER, _END = 53, 7, 54, 255
_SERVER_PORT = 67


def release(bridge: str, server: IPv4Address, address: IPv4Address, mac: str) -> None:
    """Tell a DHCP server of this machine that an address is free, in its guest's name.

    The message leaves through the bridge, as the guest's would. Raises OSError, PermissionError unless root.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        sender.sendto(message(server, address, mac), (str(server), _SERVER_PORT))


def message(server: IPv4Address, address: IPv4Address, mac: str) -> bytes:
    """Return the DHCPRELEASE of an address."""
    hardware = bytes.fromhex(mac.replace(":", ""))
    fixed = _MESSAGE.pack(
        *(_REQUEST, _ETHERNET, len(hardware), 0),
        *(secrets.token_bytes(4), 0, 0),
        *(address.packed, _NOBODY, _NOBODY, _NOBODY),
        *(hardware, b"", b"", _COOKIE),
    )
    return fixed + bytes((_MESSAGE_TYPE, 1, _RELEASE, _SERVER, 4, *server.packed, _END))
