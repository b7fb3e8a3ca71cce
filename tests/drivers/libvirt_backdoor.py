"""What contract tests do on a libvirt host without the driver."""

import hashlib
import io
import json
import os
import signal
import subprocess
from pathlib import Path

import pycdlib
import yaml

from domain.hypervisor import LibvirtSpec
from tests.drivers.contract import Seed
from tests.drivers.libvirt_hosts import processes


class LibvirtBackdoor:
    """`virsh`, QEMU's tools and the files themselves."""

    def __init__(self, spec: LibvirtSpec) -> None:
        self._uri = spec.uri
        self._volumes = Path(spec.directory) / "volumes"

    def scribble(self, uid: str) -> None:
        """Write into the root disk."""
        command = ["qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 0 64k", str(self._disk(uid))]
        subprocess.run(command, check=True, capture_output=True)

    def content(self, uid: str) -> str:
        """Return the digest of the root disk's file."""
        disk = self._disk(uid)
        return hashlib.sha256(disk.read_bytes()).hexdigest() if disk.exists() else ""

    def disk_size(self, uid: str) -> int:
        """Return the disk's virtual size."""
        command = ["qemu-img", "info", "-U", "--output=json", str(self._disk(uid))]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return int(told["virtual-size"])

    def lose_disk(self, uid: str) -> None:
        """Delete the root disk."""
        self._disk(uid).unlink()

    def undefine(self, uid: str) -> None:
        """Make libvirt forget the domain."""
        self.virsh("undefine", uid)

    def kill(self, uid: str) -> None:
        """Kill the guest's QEMU."""
        (pid,) = processes(f"\0-uuid\0{uid}\0")
        os.kill(pid, signal.SIGKILL)

    def seed(self, uid: str) -> Seed:
        """Read the seed as a guest does."""
        iso = pycdlib.PyCdlib()
        iso.open(str(self._volumes / f"{uid}.seed.iso"))
        try:
            texts = {}
            for name in ("meta-data", "user-data"):
                content = io.BytesIO()
                iso.get_file_from_iso_fp(content, rr_path=f"/{name}")
                texts[name] = content.getvalue().decode()
        finally:
            iso.close()
        metadata = yaml.safe_load(texts["meta-data"])
        assert metadata["instance-id"] == uid
        return Seed(user_data=texts["user-data"], hostname=metadata["local-hostname"])

    def virsh(self, *arguments: str) -> str:
        """Run virsh on this host; return what it prints."""
        command = ["virsh", "-q", "-c", self._uri, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def _disk(self, uid: str) -> Path:
        return self._volumes / f"{uid}.root.qcow2"
