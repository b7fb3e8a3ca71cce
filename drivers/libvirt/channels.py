"""Channels into a running guest: its screen and its TCP ports. drivers/libvirt/terminal.py has the console."""

import socket
from typing import NamedTuple

import libvirt

from domain.problem import Problem
from drivers.libvirt.networks import Link, UserLink
from drivers.libvirt.sight import glance

_PATIENCE = 10.0
"""Seconds a guest's port may take to answer."""

_EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - compared, not bound


class _Reached(NamedTuple):
    """Where an incarnation's port is reached from here."""

    incarnation: str
    host: str
    port: int


def screen(domain: libvirt.virDomain) -> socket.socket:
    """Return a socket that speaks RFB with QEMU; whoever may use libvirt needs no password. Raises libvirtError."""
    return socket.socket(fileno=domain.openGraphicsFD(0, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH))


def tcp_port(connection: libvirt.virConnect, domain: libvirt.virDomain, link: Link, port: int) -> socket.socket:
    """Connect to a guest's port: by the port of this host that leads to it, or at the address that was lent to it.

    Never at an address the guest tells of itself, which may be anybody's. An incarnation that ends gives its address
    away, so the guest is looked at again when it is connected: it was this one all the while. Raises libvirtError,
    Problem.terminal `PortClosed` and Problem.wait `GuestNotRunning`.
    """
    there = _reached(connection, domain, link, port)
    try:
        guest = socket.create_connection((there.host, there.port), timeout=_PATIENCE)
    except OSError as error:
        message = f"nothing answers on the guest's TCP port {port}: {error}"
        raise Problem.terminal("PortClosed", message, field=domain.UUIDString()) from error
    try:
        still = _reached(connection, domain, link, port) == there
    except BaseException:
        guest.close()
        raise
    if not still:
        guest.close()
        raise Problem.wait("GuestNotRunning", "the guest changed meanwhile; connect again", field=domain.UUIDString())
    guest.settimeout(None)
    return guest


def _reached(connection: libvirt.virConnect, domain: libvirt.virDomain, link: Link, port: int) -> _Reached:
    seen, uid = glance(domain), domain.UUIDString()
    if seen is None or not seen.incarnation:
        raise Problem.wait("GuestNotRunning", "the guest is off; start it first", field=uid)
    if isinstance(link, UserLink):
        ports = [each.host for each in seen.mark.forwards if (each.protocol, each.guest) == ("tcp", port)]
        if not ports:
            message = f"TCP port {port} is not exposed; add it to spec.network.tcp"
            raise Problem.terminal("PortClosed", message, field=uid)
        host = "127.0.0.1" if link.listen == _EVERY_ADDRESS else link.listen
        return _Reached(seen.incarnation, host, ports[0])
    lent = [address for mac in seen.macs for address in link.leased(connection, mac, seen.mark.at)]
    if not lent:
        raise Problem.terminal("PortClosed", "the guest has no address on its network (yet)", field=uid)
    return _Reached(seen.incarnation, lent[0], port)
