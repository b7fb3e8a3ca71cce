"""Forwarded ports of a running guest on a user-mode network, told to QEMU by its human monitor.

QMP has no words for them. Source: QEMU's documentation of the monitor, `hostfwd_add`, `hostfwd_remove`, `info usernet`.
"""

import re

import libvirt
import libvirt_qemu

from domain.guest import Forward

NETWORK = "vmflow0"
"""QEMU's name of the guest's network."""
_LINE = re.compile(r"\s*(?P<protocol>TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+\S+\s+(?P<host>\d+)\s+\S+\s+(?P<guest>\d+)\s")


def forwarded(domain: libvirt.virDomain) -> tuple[Forward, ...]:
    """Return the ports that QEMU forwards now. Raises libvirtError."""
    lines = (_LINE.match(line) for line in _ask(domain, "info usernet").splitlines())
    return tuple(
        Forward(protocol=line["protocol"].lower(), guest=int(line["guest"]), host=int(line["host"]))
        for line in lines
        if line
    )


def forward(domain: libvirt.virDomain, wanted: Forward, listen: str) -> None:
    """Open a port of the host; whether QEMU got it, `forwarded` tells. Raises libvirtError."""
    _ask(domain, f"hostfwd_add {NETWORK} {wanted.protocol}:{listen}:{wanted.host}-:{wanted.guest}")


def withdraw(domain: libvirt.virDomain, unwanted: Forward, listen: str) -> None:
    """Close a port of the host; one that is closed stays so. Raises libvirtError."""
    _ask(domain, f"hostfwd_remove {NETWORK} {unwanted.protocol}:{listen}:{unwanted.host}")


def _ask(domain: libvirt.virDomain, command: str) -> str:
    """Return what QEMU's monitor prints; the command holds protocols, numbers and parsed addresses only."""
    told: str = libvirt_qemu.qemuMonitorCommand(domain, command, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    return told
