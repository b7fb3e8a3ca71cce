"""What a guest tells of itself, through its agent or its DHCP lease. Never waits for a guest longer than a second."""

import json
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address

import libvirt
import libvirt_qemu

from domain.guest import GuestInfo, Power
from drivers.libvirt.errors import is_code
from drivers.libvirt.networks import Link
from drivers.libvirt.sight import Sight

_LOG = logging.getLogger(__name__)
_AGENT_SECONDS = 1
_ASKED = (
    libvirt.VIR_DOMAIN_GUEST_INFO_OS | libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME | libvirt.VIR_DOMAIN_GUEST_INFO_INTERFACES
)
_SILENCE = (
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
    libvirt.VIR_ERR_AGENT_UNSYNCED,
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_NO_DOMAIN,
)
"""How libvirt says that an agent does not answer, cannot, is busy answering somebody else, or went with its guest."""

_LONGEST = 256
"""Characters that are kept of a word of the guest's."""

_VERSIONS: dict[str, str] = {}
"""Incarnation → version of its agent."""
_VERSIONS_KEPT = 10_000

_ADDRESS = re.compile(r"if\.\d+\.addr\.\d+\.addr")


def guest_info(connection: libvirt.virConnect, domain: libvirt.virDomain, seen: Sight, link: Link) -> GuestInfo:
    """Return what is known now. Raises libvirtError only when the hypervisor itself is in trouble."""
    told = _ask_agent(domain) if seen.connected and seen.power is Power.RUNNING else {}
    addresses = usable(str(value) for key, value in told.items() if _ADDRESS.fullmatch(key))
    if not addresses and seen.incarnation:
        addresses = usable(each for mac in seen.macs for each in link.leased(connection, mac, seen.mark.at))
    return GuestInfo(
        agent=seen.connected,
        addresses=addresses,
        hostname=_word(told.get("hostname", "")),
        os=_word(told.get("os.pretty-name", "")),
        agent_version=_agent_version(domain, seen.incarnation) if told else "",
    )


def silent(error: libvirt.libvirtError) -> bool:
    """Tell whether an error means no more than that the agent does not answer.

    One of the system, out of the QEMU driver, is the agent's connection: it broke as its guest went.
    """
    broke = is_code(error, libvirt.VIR_ERR_SYSTEM_ERROR) and error.get_error_domain() == libvirt.VIR_FROM_QEMU
    return broke or is_code(error, *_SILENCE)


def usable(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses somebody else can use, IPv4 first, each once. What is none is left out."""
    parsed = set()
    for text in addresses:
        with suppress(ValueError):
            parsed.add(ip_address(text))
    kept = [each for each in parsed if not (each.is_loopback or each.is_link_local or each.is_unspecified)]
    return tuple(str(each) for each in sorted(kept, key=lambda each: (each.version, int(each))))


def _agent_version(domain: libvirt.virDomain, incarnation: str) -> str:
    """Return the version of the agent, which is asked once for each incarnation: libvirt has no call for it."""
    if incarnation not in _VERSIONS:
        try:
            told = libvirt_qemu.qemuAgentCommand(domain, json.dumps({"execute": "guest-info"}), _AGENT_SECONDS, 0)
        except libvirt.libvirtError as error:
            if not silent(error):
                raise
            return ""
        if len(_VERSIONS) >= _VERSIONS_KEPT:
            _VERSIONS.clear()
        _VERSIONS[incarnation] = _version(told)
    return _VERSIONS.get(incarnation, "")


def _version(told: str) -> str:
    """Return the version in an agent's answer; empty when there is none."""
    try:
        return _word(json.loads(told)["return"]["version"])
    except (ValueError, LookupError, TypeError):
        return ""


def _word(said: object) -> str:
    """Return what a guest says of itself as a short line."""
    return "".join(filter(str.isprintable, str(said)))[:_LONGEST]


def _ask_agent(domain: libvirt.virDomain) -> dict[str, object]:
    try:
        domain.agentSetResponseTimeout(_AGENT_SECONDS)
        told: dict[str, object] = domain.guestInfo(_ASKED)
    except libvirt.libvirtError as error:
        if not silent(error):
            raise
        _LOG.debug("the agent of %s does not answer: %s", domain.name(), error)
        return {}
    return told
