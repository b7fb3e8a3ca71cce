"""Taking back what a home's hypervisor keeps in this machine's libvirt: its storage pool and its network.

Guests come first: while libvirt knows a domain with a file below the home, nothing is touched.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import libvirt

from domain.problem import Problem
from runtime.machine import libvirt_uri, machine_manifests
from runtime.settings import Settings

_T = TypeVar("_T")


def check_empty(settings: Settings) -> None:
    """Raise Problem.terminal `GuestsRemain` while there are guests of this home. Blocks."""
    with _connection(libvirt_uri()) as connection:
        guests = [each.name() for each in connection.listAllDomains() if f"{settings.home}/" in _definition(each)]
    if guests:
        raise Problem.terminal(
            "GuestsRemain",
            f"{', '.join(sorted(guests))} would lose the pool of their disks and their network; delete the VMs first",
            field=str(settings.home),
        )


def dismantle(settings: Settings) -> list[str]:
    """Remove pool and network of this home's hypervisor; return what was removed. Blocks.

    Raises Problem.terminal `GuestsRemain` and Problem.retry `HypervisorUnreachable`.
    """
    check_empty(settings)
    declared: dict[str, Any] = machine_manifests(settings)[-1]["spec"]["libvirt"]
    with _connection(declared["uri"]) as connection:
        mine = [("storage pool", _found(connection.storagePoolLookupByName, declared["pool"]))]
        if declared["network"]["kind"] == "nat":
            mine.append(("network", _found(connection.networkLookupByName, declared["network"]["name"])))
        return [f"{what} {_removed(each)}" for what, each in mine if each is not None]


def _removed(item: libvirt.virStoragePool | libvirt.virNetwork) -> str:
    name = str(item.name())
    if item.isActive():
        item.destroy()
    item.undefine()
    return name


def _found(look_up: Callable[[str], _T], name: str) -> _T | None:
    try:
        return look_up(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() in {libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_NO_NETWORK}:
            return None
        raise


def _definition(domain: libvirt.virDomain) -> str:
    """Return a domain's XML; empty when it has just gone."""
    try:
        return str(domain.XMLDesc())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return ""
        raise


@contextmanager
def _connection(uri: str) -> Iterator[libvirt.virConnect]:
    # Without a handler of ours libvirt prints every error to standard error, also those that are answers.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    try:
        connection = libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise Problem.retry("HypervisorUnreachable", str(error), field=uri) from error
    try:
        yield connection
    finally:
        connection.close()
