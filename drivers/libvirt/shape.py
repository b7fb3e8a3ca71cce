"""What of a running guest can change: read off its live XML, its mark and its disk.

libvirt and QEMU round sizes up (memory to mebibytes, disks to sectors); what was asked for is in the mark, and what is
as large as that can be is told as what was asked for.

Memory is what the balloon leaves the guest. A guest is powered on with its maximum, and gives the difference back when
its balloon driver loads, in the first seconds of its boot; after a reboot it does so again. Meanwhile it is told as
what was asked for: it is on its way there. Two guests are not: one that is up, or has had all the time it takes, and
has given back nothing at all (it has no driver), and one that was told to give memory back and did not in time
(`Mark.slow`).
"""

import time
from pathlib import Path

import libvirt
from lxml import etree

from domain.guest import Shape
from domain.life import BOOT_PATIENCE
from drivers.libvirt.metadata import Mark
from drivers.libvirt.qcow2 import virtual_size

ROOT_DISK = "vda"
_GRANULE = 2**20


def read_shape(domain: libvirt.virDomain, document: etree._Element, mark: Mark, *, agent: bool) -> Shape:
    """Return the shape of a running guest; document: its live XML, agent: whether its agent is connected."""
    return Shape(
        cpus=_cpus(document),
        memory=_memory(document, mark, agent=agent),
        disk=_as_asked(_disk_size(domain, document), mark.disk),
        tcp=mark.tcp,
        udp=mark.udp,
    )


def max_cpus(document: etree._Element) -> int:
    """Return the CPUs a running guest can have."""
    return int(document.findtext("vcpu", default="1"))


def max_memory(document: etree._Element) -> int:
    """Return the bytes of memory a running guest can have."""
    return _bytes(document, "memory")


def ballooned(document: etree._Element) -> int:
    """Return the bytes of memory that the balloon leaves a running guest."""
    return _bytes(document, "currentMemory")


def close(actual: int, asked: int) -> bool:
    """Return whether a size is what was asked for, rounded up."""
    return 0 <= actual - asked < _GRANULE


def _cpus(document: etree._Element) -> int:
    element = document.find("vcpu")
    current = element.get("current") if element is not None else None
    return int(current) if current else max_cpus(document)


def _memory(document: etree._Element, mark: Mark, *, agent: bool) -> int:
    actual = ballooned(document)
    if not mark.memory or close(actual, mark.memory):
        return mark.memory or actual
    settled = agent or time.time() - mark.at > BOOT_PATIENCE.total_seconds()
    untouched = settled and actual >= max_memory(document)
    return actual if mark.slow or untouched else mark.memory


def _disk_size(domain: libvirt.virDomain, document: etree._Element) -> int:
    """Return the size of the root disk, without asking QEMU where that can be helped; 0 when its file is gone."""
    path = document.xpath(f"string(devices/disk[target/@dev='{ROOT_DISK}']/source/@file)")
    try:
        return virtual_size(Path(str(path)))
    except FileNotFoundError:
        return 0
    except (PermissionError, ValueError):  # QEMU's user owns it, or somebody gave it another format
        return int(domain.blockInfo(ROOT_DISK)[0])


def _as_asked(actual: int, asked: int) -> int:
    return asked if close(actual, asked) else actual


def _bytes(document: etree._Element, tag: str) -> int:
    """Return a size of live XML, which libvirt writes in KiB."""
    return int(document.findtext(tag, default="0")) * 1024
