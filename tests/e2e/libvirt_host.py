"""The machine's libvirt without vmflow: what a stack of tests has there, and its removal."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt

_KEPT = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


@contextmanager
def opened(uri: str) -> Iterator[libvirt.virConnect]:
    """Yield a connection."""
    connection = libvirt.open(uri)
    try:
        yield connection
    finally:
        connection.close()


def domains(uri: str, word: str) -> list[str]:
    """Return the UUIDs of all domains, running or not, that have a word (an owner, a folder) in their definition."""
    with opened(uri) as connection:
        return sorted(each.UUIDString() for each in connection.listAllDomains() if word in _definition(each))


def virsh(uri: str, *arguments: str) -> str:
    """Run virsh; return what it prints."""
    command = ["virsh", "-q", "-c", uri, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def destroy_guests(uri: str, home: Path) -> None:
    """Remove every domain with a file below a home."""
    with opened(uri) as connection:
        for domain in connection.listAllDomains():
            if str(home) in _definition(domain):
                if domain.isActive():
                    domain.destroy()
                domain.undefineFlags(_KEPT)


def _definition(domain: libvirt.virDomain) -> str:
    """Return a domain's XML; empty when it has just gone, as other people's domains do."""
    try:
        return str(domain.XMLDesc())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return ""
        raise
