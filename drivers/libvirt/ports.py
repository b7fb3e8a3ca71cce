"""Host ports that lead to guest ports, for guests on user-mode networks."""

import socket
from collections.abc import Collection

import libvirt
from lxml import etree

from domain.guest import Forward, GuestPlan
from drivers.libvirt.metadata import read_mark

_KIND = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_TRIES = 50


def choose(
    plan: GuestPlan,
    recorded: tuple[Forward, ...],
    listen: str,
    taken: Collection[int],
    held: tuple[Forward, ...] = (),
) -> tuple[Forward, ...]:
    """Return a forward for each port the plan exposes; a recorded one is kept while its host port can be had.

    taken: host ports recorded for other guests, which may be off just now. held: what the guest itself holds open, and
    keeps. That a chosen port is still free when QEMU opens it is likely, not certain: it is tried again with another.
    """
    open_now = {(each.protocol, each.guest): each for each in held}
    before = {(each.protocol, each.guest): each.host for each in recorded}
    chosen: list[Forward] = []
    for protocol, guest in exposed(plan):
        if (protocol, guest) in open_now:
            chosen.append(open_now[protocol, guest])
            continue
        not_ours = {*taken, *(each.host for each in chosen), *(each.host for each in held)}
        host = before.get((protocol, guest), 0)
        if not host or host in not_ours or not free(protocol, listen, host):
            host = _fresh(protocol, listen, not_ours)
        chosen.append(Forward(protocol=protocol, guest=guest, host=host))
    return tuple(chosen)


def exposed(plan: GuestPlan) -> list[tuple[str, int]]:
    """Return the ports a plan exposes, each with its protocol."""
    return [*(("tcp", port) for port in plan.tcp), *(("udp", port) for port in plan.udp)]


def taken(connection: libvirt.virConnect, uid: str) -> set[int]:
    """Return the host ports that are recorded for other guests. Raises libvirtError."""
    marks = (
        read_mark(etree.fromstring(each.XMLDesc(0)))
        for each in connection.listAllDomains(0)
        if each.UUIDString() != uid
    )
    return {forward.host for each in marks for forward in (*each.forwards, *each.reserved)}


def free(protocol: str, listen: str, port: int) -> bool:
    """Tell whether a port of this machine can be had now."""
    with socket.socket(socket.AF_INET, _KIND[protocol]) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as QEMU does; TIME_WAIT does not count
        try:
            probe.bind((listen, port))
        except OSError:
            return False
    return True


def _fresh(protocol: str, listen: str, held: Collection[int]) -> int:
    for _ in range(_TRIES):
        with socket.socket(socket.AF_INET, _KIND[protocol]) as probe:
            probe.bind((listen, 0))
            port: int = probe.getsockname()[1]
        if port not in held:
            return port
    raise OSError(f"no free {protocol} port on {listen} after {_TRIES} tries")
