"""What vmflow writes beside a domain, in libvirt's metadata: whose it is, what was asked for, which power-on this is.

    <metadata>
      <vmflow:guest xmlns:vmflow="urn:vmflow:guest" directory="/var/lib/vmflow/hypervisor" digest="…" build="…"
                    memory="2147483648" disk="10737418240" tcp="22" udp="">
        <vmflow:owner>tenant/web-1</vmflow:owner>
        <vmflow:forward protocol="tcp" guest="22" host="40022"/>
      </vmflow:guest>
      <power:on xmlns:power="urn:vmflow:power-on" token="…" at="…" start="4" ran="3"/>
      <reboot:met xmlns:reboot="urn:vmflow:reboot" request="…"/>
    </metadata>

The first is part of the definition. Its directory says which hypervisor declared to vmflow built the domain, because
several may share one libvirt; what another one built is none of a driver's business. The second is written around each
power-on and becomes part of the running domain, so it names that power-on for as long as the domain runs, whatever
happens to libvirtd or to vmflow (`power`). The third is of the running domain only, and goes with it.
"""

from collections.abc import Iterable
from hashlib import sha256

import libvirt
from lxml import etree

from domain.guest import Forward, GuestPlan
from domain.model import Value
from drivers.libvirt.elements import E, Elements

GUEST_URI = "urn:vmflow:guest"
POWER_URI = "urn:vmflow:power-on"
REBOOT_URI = "urn:vmflow:reboot"
_GUEST = Elements(GUEST_URI, "vmflow")
_POWER = Elements(POWER_URI, "power")
_KEYS = {GUEST_URI: "live", POWER_URI: "latest", REBOOT_URI: "reboot"}
"""Namespace → prefix that libvirt declares when it writes; it must not be declared in what it is given."""

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG


class Mark(Value):
    """What the metadata of a domain says.

    directory: that of the hypervisor that built it; empty when vmflow did not. digest: the definition's.
    build: `GuestPlan.build`. memory, disk: bytes that were asked for; 0 when nobody wrote them down.
    slow: the guest was told to give memory back and did not in time. tcp, udp: the ports that are exposed.
    forwards: what leads to them; reserved: what will lead to ports that were exposed while the guest ran.
    token, at, start: the latest power-on that was begun, when it was (Unix time), and its number.
    ran: number of the latest power-on that is known to have run. freed: `start` was about to run.
    reboot: the latest reboot order that was met.
    """

    directory: str = ""
    owner: str = ""
    digest: str = ""
    build: str = ""
    memory: int = 0
    disk: int = 0
    slow: bool = False
    tcp: tuple[int, ...] = ()
    udp: tuple[int, ...] = ()
    forwards: tuple[Forward, ...] = ()
    reserved: tuple[Forward, ...] = ()
    token: str = ""
    at: float = 0.0
    start: int = 0
    ran: int = 0
    freed: bool = False
    reboot: str = ""

    @property
    def unfinished(self) -> bool:
        """Whether a power-on was begun and nobody saw it through."""
        return self.ran < self.start


def asked(directory: str, plan: GuestPlan, forwards: tuple[Forward, ...]) -> Mark:
    """Return what is written beside a domain that is built from a plan."""
    return Mark(
        directory=directory,
        owner=plan.owner,
        build=plan.build,
        memory=plan.memory,
        disk=plan.disk,
        tcp=plan.shape.tcp,
        udp=plan.shape.udp,
        forwards=forwards,
    )


def guest_element(mark: Mark) -> etree._Element:
    """Return the element that makes a domain a hypervisor's own; `seal` completes that of a definition."""
    element = _GUEST.guest(
        _GUEST.owner(mark.owner),
        *(_forward(each) for each in mark.forwards),
        *(_forward(each, reserved="yes") for each in mark.reserved),
        directory=mark.directory,
        build=mark.build,
        memory=str(mark.memory),
        disk=str(mark.disk),
        tcp=_numbers(mark.tcp),
        udp=_numbers(mark.udp),
    )
    for name, value in (("digest", mark.digest), ("slow", "yes" if mark.slow else "")):
        if value:
            element.set(name, value)
    return element


def power_element(mark: Mark) -> etree._Element:
    """Return the element that tells of a domain's latest power-on."""
    freed = {"freed": "yes"} if mark.freed else {}
    return _POWER.on(token=mark.token, at=f"{mark.at:.3f}", start=str(mark.start), ran=str(mark.ran), **freed)


def seal(domain: etree._Element) -> str:
    """Write the definition's own digest into it, so that a later one that differs is recognised; return the digest."""
    digest = sha256(etree.tostring(domain, method="c14n")).hexdigest()
    guest = domain.find(f"metadata/{{{GUEST_URI}}}guest")
    if guest is None:
        raise ValueError("a definition without vmflow's element cannot be sealed")
    guest.set("digest", digest)
    return digest


def remember(domain: etree._Element, mark: Mark) -> None:
    """Write a guest's latest power-on into a sealed definition that takes the place of another."""
    metadata = domain.find("metadata")
    if metadata is not None and mark.token:
        metadata.append(power_element(mark))


def read_mark(domain: etree._Element) -> Mark:
    """Return what a domain's XML says about vmflow."""
    guest = domain.find(f"metadata/{{{GUEST_URI}}}guest")
    if guest is None:
        return Mark()
    power = domain.find(f"metadata/{{{POWER_URI}}}on")
    reboot = domain.find(f"metadata/{{{REBOOT_URI}}}met")
    forwards = guest.findall(f"{{{GUEST_URI}}}forward")
    begun = power if power is not None else E.on()
    return Mark(
        directory=guest.get("directory", ""),
        owner=guest.findtext(f"{{{GUEST_URI}}}owner", default=""),
        digest=guest.get("digest", ""),
        build=guest.get("build", ""),
        memory=int(guest.get("memory", "0")),
        disk=int(guest.get("disk", "0")),
        slow=guest.get("slow") == "yes",
        tcp=_parsed(guest.get("tcp", "")),
        udp=_parsed(guest.get("udp", "")),
        forwards=tuple(_read_forward(each) for each in forwards if not each.get("reserved")),
        reserved=tuple(_read_forward(each) for each in forwards if each.get("reserved")),
        token=begun.get("token", ""),
        at=float(begun.get("at", "0")),
        start=int(begun.get("start", "0")),
        ran=int(begun.get("ran", "0")),
        freed=begun.get("freed") == "yes",
        reboot=reboot.get("request", "") if reboot is not None else "",
    )


def configured(domain: libvirt.virDomain) -> Mark:
    """Return what a domain's next power-on will find. Raises libvirtError."""
    return read_mark(etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))


def write_guest(domain: libvirt.virDomain, mark: Mark, where: int) -> None:
    """Write what was asked for beside a domain: LIVE, CONFIG or both. Raises libvirtError."""
    _write(domain, GUEST_URI, guest_element(mark), where)


def write_power(domain: libvirt.virDomain, mark: Mark, where: int) -> None:
    """Write a power-on beside a domain: LIVE, CONFIG or both. Raises libvirtError."""
    _write(domain, POWER_URI, power_element(mark), where)


def write_reboot(domain: libvirt.virDomain, request: str) -> None:
    """Note that a running domain has met a reboot order. Raises libvirtError."""
    _write(domain, REBOOT_URI, E.met(request=request), LIVE)


def _write(domain: libvirt.virDomain, uri: str, element: etree._Element, where: int) -> None:
    text = etree.tostring(element, encoding="unicode")
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, _KEYS[uri], uri, where)


def _forward(forward: Forward, **more: str) -> etree._Element:
    numbers = {"guest": str(forward.guest), "host": str(forward.host)}
    return _GUEST.forward(protocol=forward.protocol, **numbers, **more)


def _read_forward(element: etree._Element) -> Forward:
    return Forward(
        protocol=element.get("protocol", ""),
        guest=int(element.get("guest", "0")),
        host=int(element.get("host", "0")),
    )


def _numbers(ports: Iterable[int]) -> str:
    return " ".join(str(port) for port in ports)


def _parsed(text: str) -> tuple[int, ...]:
    return tuple(int(port) for port in text.split())
