"""The libvirt daemons where no service manager runs them: in containers and minimal systems.

Where systemd runs, libvirt's own units (or their sockets) answer and nothing is started here. A user's session daemon
is started by libvirt itself at the first connection.
"""

import asyncio
import contextlib
import os
import shutil
import sys
from pathlib import Path

import libvirt

from domain.problem import Problem
from runtime.machine import libvirt_uri
from runtime.processes import Process

NAMES = ("libvirtd", "virtlogd")
"""The daemons' names as processes, in the order they are stopped."""
_SYSTEMD = Path("/run/systemd/system")
"""Exists exactly where systemd is the service manager (sd_booted(3))."""
_VIRTLOGD_SOCKET = Path("/run/libvirt/virtlogd-sock")
_KVM = Path("/dev/kvm")
_KVM_GROUP = "kvm"
_PACKAGES = "libvirt-daemon-system and qemu-system-x86"


async def active_guests() -> int | None:
    """Return how many guests run under this machine's libvirt; None when no daemon answers."""
    return await asyncio.to_thread(_active_guests)


async def answers() -> bool:
    """Tell whether this machine's libvirt answers."""
    return await active_guests() is not None


async def missing() -> list[Process]:
    """Return the daemons that must be started here before libvirt answers, in order.

    Raises Problem.terminal `LibvirtMissing` when they are not installed, `LibvirtStopped` when a service manager is in
    charge of them but does not run them.
    """
    return [] if await answers() else _startable(with_virtlogd=not await _log_daemon_answers())


def _active_guests() -> int | None:
    # Without a handler of ours libvirt prints every error to standard error, also those that are answers.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    try:
        connection = libvirt.open(libvirt_uri())
    except libvirt.libvirtError:
        return None
    try:
        return int(connection.numOfDomains())
    finally:
        connection.close()


def _startable(*, with_virtlogd: bool) -> list[Process]:
    """Return the daemons this program may start, or raise the Problem that says who must."""
    if os.geteuid() != 0:
        raise Problem.terminal(
            "LibvirtMissing",
            f"your session daemon does not start; install {_PACKAGES}, then see `virsh -c qemu:///session list`",
            field=libvirt_uri(),
        )
    if _SYSTEMD.exists():
        raise Problem.terminal(
            "LibvirtStopped",
            "does not answer although systemd runs; start it with `systemctl enable --now libvirtd`",
            field=libvirt_uri(),
        )
    _own_kvm_as_udev_would()
    # The reaper collects QEMU processes whose parents are gone; the first process of a container may be slow to.
    libvirtd = Process("libvirtd", [sys.executable, "-m", "runtime.reaper", _program("libvirtd")], lambda _: answers)
    if not with_virtlogd:
        return [libvirtd]
    return [Process("virtlogd", [_program("virtlogd")], lambda _: _log_daemon_answers), libvirtd]


def _own_kvm_as_udev_would() -> None:
    """Give /dev/kvm to QEMU's group, as Debian's udev rule does; nobody has where no udev runs.

    libvirt's own probe opens the device as root. When QEMU's user may not, libvirt finds its knowledge of QEMU outdated
    and gathers it anew at every power-on: 0.4 s become half a minute on a busy machine.
    """
    if _KVM.exists() and _KVM.stat().st_gid == 0:
        with contextlib.suppress(LookupError):  # no such group, so nobody to give it to
            shutil.chown(_KVM, group=_KVM_GROUP)
            _KVM.chmod(0o660)


async def _log_daemon_answers() -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(_VIRTLOGD_SOCKET)
    except OSError:
        return False
    writer.close()
    return True


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Problem.terminal(
            "LibvirtMissing",
            f"is not installed; install {_PACKAGES}, or set VMFLOW_HYPERVISOR=simulator",
            field=name,
        )
    return found
