"""What a host says about itself."""

import libvirt
from lxml import etree

from domain.hypervisor import HypervisorFacts
from drivers.libvirt.probe import Accelerator

_CPUS = 2
"""Position of the active CPUs in virNodeInfo. Its memory is not used: containers make it wrong."""


def read_facts(connection: libvirt.virConnect, accelerator: Accelerator) -> HypervisorFacts:
    """Return a host's identity and size. The UUID is libvirt's: several daemons on a machine are several hosts."""
    host = etree.fromstring(connection.getCapabilities())
    memory = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    return HypervisorFacts(
        uuid=host.findtext("host/uuid", default=""),
        driver="libvirt",
        version=f"libvirt {_version(connection.getLibVersion())}, QEMU {_version(connection.getVersion())}",
        accelerator=accelerator.name,
        accelerator_reason=accelerator.reason,
        cpus=connection.getInfo()[_CPUS],
        memory=memory["total"] * 1024,
    )


def _version(number: int) -> str:
    """Return libvirt's packed number (1,000,000 major + 1,000 minor + release) as people write it."""
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"
