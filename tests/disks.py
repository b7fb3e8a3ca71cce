"""Disk images for tests, made by qemu-img itself."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path


@cache
def empty_qcow2(size: str = "1G") -> bytes:
    """Return an empty qcow2 image of a virtual size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "disk.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, size], check=True)
        return path.read_bytes()
