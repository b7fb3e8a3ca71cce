"""A simulated host for tests: its folder, an image in its cache, plans, and a life to lead in another process."""

import struct
import uuid
from pathlib import Path
from typing import Any

from domain.guest import GuestPlan, default_mac
from domain.hypervisor import SimulatorSpec
from drivers.simulator import SimulatorDriver

IMAGE = "0123456789abcdef" * 2
_QCOW2 = struct.Struct(">4sIQIIQ")
"""Magic, version, place and length of the backing file's name, cluster bits, virtual size."""


def cache_image(images: Path, key: str = IMAGE, *, virtual_size: int = 2**20) -> str:
    """Put the header of an image into a cache; return its key."""
    images.mkdir(parents=True, exist_ok=True)
    (images / f"{key}.qcow2").write_bytes(_QCOW2.pack(b"QFI\xfb", 3, 0, 0, 16, virtual_size))
    return key


def new_plan(**changes: Any) -> GuestPlan:
    """Return the plan of a small guest with a UID of its own."""
    uid = str(uuid.uuid4())
    fields = {
        "uid": uid,
        "name": f"guest-{uid[:5]}",
        "owner": "team/guest",
        "hostname": "guest",
        "cpus": 1,
        "memory": 2**27,
        "disk": 2**20,
        "image": IMAGE,
        "mac": default_mac(uid),
    }
    return GuestPlan.model_validate({**fields, **changes})


def quiet() -> None:
    """A beat that never asks to stop."""


def live(spec: SimulatorSpec, plan: GuestPlan) -> None:
    """Lead a whole life of a guest: it runs three times, is asked to stop, is powered off, is removed while it runs."""
    driver = SimulatorDriver(spec)
    driver.prepare()
    for grace in (60.0, 0.0):
        seen = driver.ensure_running(plan, fresh=True)
        driver.ensure_stopped(plan.uid, incarnation=seen.incarnation, grace=grace, beat=quiet)
    driver.ensure_running(plan, fresh=False)
    driver.ensure_removed(plan.uid)
    driver.close()


def run_guest(spec: SimulatorSpec, plan: GuestPlan) -> None:
    """Run a guest and end, as a worker that is shut down."""
    driver = SimulatorDriver(spec)
    driver.prepare()
    driver.ensure_running(plan, fresh=True)
    driver.close()
