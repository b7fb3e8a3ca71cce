"""Host ports that lead to guest ports, for guests on user-mode networks."""

import socket
from collections.abc import Collection

from domain.guest import Forward, GuestPlan

_KIND = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_TRIES = 50


def choose(plan: GuestPlan, recorded: tuple[Forward, ...], listen: str, taken: Collection[int]) -> tuple[Forward, ...]:
    """Return a forward for each port the plan exposes; a recorded one is kept while its host port can be had.

    taken: host ports recorded for other guests, which may be off just now. That a chosen port is still free when QEMU
    opens it is likely, not certain: a power-on that fails is tried again with another.
    """
    before = {(each.protocol, each.guest): each.host for each in recorded}
    chosen: list[Forward] = []
    for protocol, ports in (("tcp", plan.tcp), ("udp", plan.udp)):
        for guest in ports:
            held = {*taken, *(each.host for each in chosen)}
            host = before.get((protocol, guest), 0)
            if not host or host in held or not free(protocol, listen, host):
                host = _fresh(protocol, listen, held)
            chosen.append(Forward(protocol=protocol, guest=guest, host=host))
    return tuple(chosen)


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
