"""What vmflow writes beside a domain, in libvirt's metadata: whose it is, and which power-on this one is.

    <metadata>
      <vmflow:guest xmlns:vmflow="urn:vmflow:guest" directory="/var/lib/vmflow/hypervisor" digest="…">
        <vmflow:owner>tenant/web-1</vmflow:owner>
        <vmflow:forward protocol="tcp" guest="22" host="40022"/>
      </vmflow:guest>
      <power:on xmlns:power="urn:vmflow:power-on" token="…" at="…"/>
    </metadata>

The first is part of the definition. Its directory says which hypervisor declared to vmflow built the domain, because
several may share one libvirt; what another one built is none of a driver's business. The second is written before each
power-on and becomes part of the running domain, so it names that power-on for as long as the domain runs, whatever
happens to libvirtd or to vmflow.
"""

import secrets
import time
from hashlib import sha256

import libvirt
from lxml import etree

from domain.guest import Forward
from domain.model import Value
from drivers.libvirt.elements import E, Elements

GUEST_URI = "urn:vmflow:guest"
POWER_URI = "urn:vmflow:power-on"
_GUEST = Elements(GUEST_URI, "vmflow")


class Mark(Value):
    """What the metadata of a domain says.

    directory: that of the hypervisor that built it; empty when vmflow did not. token, at: the latest power-on, and when
    it was (Unix time).
    """

    directory: str = ""
    owner: str = ""
    digest: str = ""
    forwards: tuple[Forward, ...] = ()
    token: str = ""
    at: float = 0.0


def guest_element(directory: str, owner: str, forwards: tuple[Forward, ...]) -> etree._Element:
    """Return the element that makes a domain a hypervisor's own; `seal` completes it."""
    return _GUEST.guest(
        _GUEST.owner(owner),
        *(_GUEST.forward(protocol=each.protocol, guest=str(each.guest), host=str(each.host)) for each in forwards),
        directory=directory,
    )


def seal(domain: etree._Element) -> str:
    """Write the definition's own digest into it, so that a later one that differs is recognised; return the digest."""
    digest = sha256(etree.tostring(domain, method="c14n")).hexdigest()
    guest = domain.find(f"metadata/{{{GUEST_URI}}}guest")
    if guest is None:
        raise ValueError("a definition without vmflow's element cannot be sealed")
    guest.set("digest", digest)
    return digest


def read_mark(domain: etree._Element) -> Mark:
    """Return what a domain's XML says about vmflow."""
    guest = domain.find(f"metadata/{{{GUEST_URI}}}guest")
    if guest is None:
        return Mark()
    power = domain.find(f"metadata/{{{POWER_URI}}}on")
    return Mark(
        directory=guest.get("directory", ""),
        owner=guest.findtext(f"{{{GUEST_URI}}}owner", default=""),
        digest=guest.get("digest", ""),
        forwards=tuple(
            Forward(
                protocol=each.get("protocol", ""), guest=int(each.get("guest", "0")), host=int(each.get("host", "0"))
            )
            for each in guest.iterfind(f"{{{GUEST_URI}}}forward")
        ),
        token=power.get("token", "") if power is not None else "",
        at=float(power.get("at", "0")) if power is not None else 0.0,
    )


def mark_power_on(domain: libvirt.virDomain) -> None:
    """Give the next power-on a name of its own. Raises libvirtError.

    Of several attempts at once one powers on, and the running domain keeps the name that was written last before.
    """
    element = E.on(  # libvirt puts it into the namespace
        token=secrets.token_hex(8), at=f"{time.time():.3f}"
    )
    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        etree.tostring(element, encoding="unicode"),
        "power",
        POWER_URI,
        libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    )
