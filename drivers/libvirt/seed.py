"""The NoCloud seed: a small ISO image that cloud-init in the guest reads at its first boot.

Source: cloud-init's NoCloud documentation: a volume labelled `cidata` with the files `meta-data` and `user-data`.
"""

import os
from io import BytesIO
from pathlib import Path

import pycdlib
import yaml

from domain.guest import GuestPlan

_LABEL = "cidata"
_ISO_LEVEL = 3
_PADDING = 150 * 2048
"""Bytes after the file system, as mkisofs(1) has them: whoever looks for other file systems first reads that far."""


def write_seed(path: Path, plan: GuestPlan) -> None:
    """Write the seed; user data goes in byte for byte, everything else is serialised."""
    metadata = {"instance-id": plan.uid, "local-hostname": plan.hostname}
    contents = {
        "meta-data": yaml.safe_dump(metadata, allow_unicode=True).encode(),
        "user-data": plan.user_data.encode(),
    }
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=_ISO_LEVEL, vol_ident=_LABEL, joliet=3, rock_ridge="1.09")
    try:
        for name, content in contents.items():
            short = f"/{name.replace('-', '').upper()}.;1"
            iso.add_fp(BytesIO(content), len(content), short, rr_name=name, joliet_path=f"/{name}")
        iso.write(str(path))
    finally:
        iso.close()
    os.truncate(path, path.stat().st_size + _PADDING)
