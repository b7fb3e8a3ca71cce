"""Whether KVM truly works here. That /dev/kvm opens says little: nested or filtered, it may still not run a kernel.

The probe boots probe.S under `-accel kvm`; only its exit code counts. It is taken once per emulator and process.
"""

import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import libvirt
from lxml import etree

from drivers.libvirt.host import Host

_SECONDS = 2.0
"""How long the boot program may take; where KVM works it takes a few hundredths."""
_WORKS = 99
_ROM_SIZE = 0x10000
_ROM = {
    0x0000: (
        "fab800f08ed8660f0116c00066b8010000000f22c066ea1d000f00080066b810008ed88ec08ed0bc00800000bf001000"
        "0031c0b9000c0000fcf3abc7050010000003200000c7050020000003300000c7050030000083000000b8001000000f22"
        "d8b8200000000f22e0b9800000c00f320d000100000f30b8010000800f22c0ea86000f001800b9002d3101ffc975fc66"
        "baf400b031eef4ebfd8db400008d74000000000000000000ffff0000009acf00ffff00000092cf00ffff0000009aaf00"
        "1f00a0000f"
    ),
    0xFFF0: "ea000000f0",
}
"""probe.S assembled: offset → bytes in hexadecimal; everything else is zero."""


class Accelerator(NamedTuple):
    """What guests run under, `kvm` or `tcg`, and the sentence that says why."""

    name: str
    reason: str


def rom() -> bytes:
    """Return the boot program."""
    image = bytearray(_ROM_SIZE)
    for offset, text in _ROM.items():
        piece = bytes.fromhex(text)
        image[offset : offset + len(piece)] = piece
    return bytes(image)


def accelerator(host: Host, connection: libvirt.virConnect) -> Accelerator:
    """Return what to run guests under on a host."""
    emulator, offered = _offered(connection)
    if not offered:
        return Accelerator("tcg", "libvirt offers no KVM here, so guests are emulated")
    if not host.local:
        return Accelerator("kvm", "libvirt on that host offers KVM; it cannot be probed from here")
    return probe(emulator)


@cache
def probe(emulator: str) -> Accelerator:
    """Boot the probe under KVM with an emulator of this machine."""
    with tempfile.NamedTemporaryFile(prefix="vmflow-probe-") as file:
        file.write(rom())
        file.flush()
        code = _boot(emulator, "kvm", Path(file.name))
    if code == _WORKS:
        return Accelerator("kvm", "the probe booted under KVM")
    return Accelerator("tcg", f"the probe did not boot under KVM: {_explain(code)}; guests are emulated")


def _boot(emulator: str, accel: str, image: Path) -> int | None:
    """Return QEMU's exit code; None when it had to be killed."""
    command = [
        *(emulator, "-accel", accel, "-machine", "q35", "-cpu", "host" if accel == "kvm" else "max", "-m", "32"),
        *("-bios", str(image), "-device", "isa-debug-exit,iobase=0xf4,iosize=1"),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
    ]
    try:
        done = subprocess.run(command, timeout=_SECONDS, capture_output=True, check=False)  # noqa: S603 (no shell)
    except subprocess.TimeoutExpired:  # run() has killed it
        return None
    return done.returncode


def _explain(code: int | None) -> str:
    if code is None:
        return f"it hung and was killed after {_SECONDS:g} s"
    if code < 0:
        return f"QEMU died of {signal.Signals(-code).name}"
    return f"QEMU ended with exit code {code}"


def _offered(connection: libvirt.virConnect) -> tuple[str, bool]:
    """Return the path of the emulator for x86-64 and whether libvirt would run KVM guests with it."""
    capabilities = etree.fromstring(connection.getCapabilities())
    arch = capabilities.find("guest/arch[@name='x86_64']")
    if arch is None:
        return "", False
    return arch.findtext("emulator", default=""), arch.find("domain[@type='kvm']") is not None
