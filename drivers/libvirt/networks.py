"""How a guest's first interface reaches the world: through a libvirt NAT network, or through QEMU's user-mode network.

Sources: https://libvirt.org/formatnetwork.html; QEMU's documentation of `-netdev user`.
"""

import json
import logging
import uuid
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network

import libvirt
from lxml import etree

from domain.guest import Forward, GuestPlan
from domain.hypervisor import NatNetwork, UserNetwork
from drivers.libvirt import dhcp
from drivers.libvirt.elements import E, Elements
from drivers.libvirt.errors import is_code
from drivers.libvirt.forwarding import NETWORK

_LOG = logging.getLogger(__name__)
_NAMESPACE = uuid.UUID("9d1c3d6e-70aa-5f0a-8d0a-5a8b8f1f2c07")
_DNSMASQ_URI = "http://libvirt.org/schemas/network/dnsmasq/1.0"
_DNSMASQ = Elements(_DNSMASQ_URI, "dnsmasq")
_USER_NETWORKS = IPv4Network("100.64.0.0/10")
"""Where user-mode networks lie, a /24 for each guest: shared address space (RFC 6598), which no user's network uses."""
_LEASE_SECONDS = 3600
"""How long an address is lent. Guests renew at half of it."""


class NatLink:
    """A guest on a libvirt NAT network: the host reaches it by its own address, known from its DHCP lease."""

    __match_args__ = ("network",)

    def __init__(self, spec: NatNetwork) -> None:
        self._spec = spec
        self.network = spec.name

    def ensure(self, connection: libvirt.virConnect) -> None:
        """Make the network be there, running and starting with its host; one of that name is taken as it is."""
        network = self._find(connection) or connection.networkDefineXML(self._network_xml())
        if not network.isActive():
            _start(network)
        if not network.autostart():
            network.setAutostart(1)

    def leased(self, connection: libvirt.virConnect, mac: str, since: float) -> tuple[str, ...]:
        """Return the addresses lent to a MAC after a power-on: an older lease was an earlier power-on's."""
        network = self._find(connection)
        if network is None or not network.isActive():
            return ()
        duration = _lease_seconds(network)
        return tuple(lease["ipaddr"] for lease in network.DHCPLeases(mac) if lease["expirytime"] - duration > since)

    def release(self, connection: libvirt.virConnect, macs: tuple[str, ...]) -> None:
        """Give a removed guest's addresses back, where the worker may; elsewhere they expire. On this machine only."""
        network = self._find(connection)
        if network is None or not network.isActive():
            return
        server = IPv4Address(etree.fromstring(network.XMLDesc(0)).xpath("string(ip/@address)"))
        for lease in (lease for mac in macs for lease in network.DHCPLeases(mac)):
            try:
                dhcp.release(network.bridgeName(), server, IPv4Address(lease["ipaddr"]), lease["mac"])
            except OSError as error:
                _LOG.info("the address %s is free only when its lease runs out: %s", lease["ipaddr"], error)

    def _find(self, connection: libvirt.virConnect) -> libvirt.virNetwork | None:
        try:
            return connection.networkLookupByName(self._spec.name)
        except libvirt.libvirtError as error:
            if is_code(error, libvirt.VIR_ERR_NO_NETWORK):
                return None
            raise

    def _network_xml(self) -> str:
        subnet = IPv4Network(self._spec.subnet)
        host, first, last = subnet[1], subnet[2], subnet[-2]
        lease = E.lease(expiry=str(_LEASE_SECONDS), unit="seconds")
        network = E.network(
            E.name(self._spec.name),
            E.uuid(str(uuid.uuid5(_NAMESPACE, self._spec.model_dump_json()))),
            E.forward(mode="nat"),
            # No spanning tree and no learning delay: on a bridge of virtual ports they only cost seconds at each boot.
            E.bridge(name=self._spec.bridge, stp="off", delay="0"),
            E.ip(
                E.dhcp(E.range(lease, start=str(first), end=str(last))),
                address=str(host),
                netmask=str(subnet.netmask),
            ),
            # dnsmasq would ping every address for three seconds before it lends it.
            _DNSMASQ.options(_DNSMASQ.option(value="no-ping")),
        )
        return etree.tostring(network, encoding="unicode")


class UserLink:
    """A guest on a network of its own inside QEMU: needs no privilege; the world reaches it by forwarded ports."""

    def __init__(self, spec: UserNetwork) -> None:
        self.listen = str(IPv4Address(spec.listen))

    def ensure(self, connection: libvirt.virConnect) -> None:
        """Nothing is needed: the network lives and dies with the guest."""

    def leased(self, connection: libvirt.virConnect, mac: str, since: float) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: only the guest's agent tells."""
        return ()

    def release(self, connection: libvirt.virConnect, macs: tuple[str, ...]) -> None:
        """Nothing was lent."""

    def arguments(self, plan: GuestPlan, forwards: tuple[Forward, ...], *, bus: str) -> list[str]:
        """Return QEMU's arguments. This libvirt cannot say `hostfwd`, so the interface is built beside it."""
        network = {
            "type": "user",
            "id": NETWORK,
            "net": str(_user_network(plan.uid)),
            "hostfwd": [{"str": f"{each.protocol}:{self.listen}:{each.host}-:{each.guest}"} for each in forwards],
        }
        device = {"driver": "virtio-net-pci", "netdev": NETWORK, "mac": plan.mac, "bus": bus, "addr": "0x0"}
        return ["-netdev", json.dumps(network), "-device", json.dumps(device)]


Link = NatLink | UserLink


def link_to(spec: NatNetwork | UserNetwork) -> Link:
    """Return the link a hypervisor's declaration asks for."""
    return NatLink(spec) if isinstance(spec, NatNetwork) else UserLink(spec)


def _user_network(uid: str) -> IPv4Network:
    networks = 2 ** (24 - _USER_NETWORKS.prefixlen)
    number = int.from_bytes(sha256(f"network:{uid}".encode()).digest()) % networks
    return IPv4Network((int(_USER_NETWORKS.network_address) + (number << 8), 24))


def _lease_seconds(network: libvirt.virNetwork) -> int:
    """Return how long the network lends an address; libvirt's own default where it does not say."""
    lease = etree.fromstring(network.XMLDesc(0)).find("ip/dhcp/range/lease")
    if lease is None:
        return _LEASE_SECONDS
    return int(lease.get("expiry", "0")) * {"seconds": 1, "minutes": 60, "hours": 3600}[lease.get("unit", "minutes")]


def _start(network: libvirt.virNetwork) -> None:
    try:
        network.create()
    except libvirt.libvirtError:
        if not network.isActive():  # otherwise somebody else was first
            raise
