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
        "max_cpus": 4,
        "max_memory": 2**29,
        "disk": 2**20,
        "image": IMAGE,
        "mac": default_mac(uid),
    }
    return GuestPlan.model_validate({**fields, **changes})


def larger(plan: GuestPlan, times: int) -> GuestPlan:
    """Return a plan of the same guest, some times as large, that exposes a port more."""
    larger = {"cpus": plan.cpus * times, "memory": plan.memory * times, "disk": plan.disk * times}
    return plan.model_copy(update={**larger, "tcp": (*plan.tcp, times)})


def quiet() -> None:
    """A beat that never asks to stop."""


def live(spec: SimulatorSpec, plan: GuestPlan) -> None:
    """Lead a whole life of a guest.

    It runs three times; is paused, resumed, rebooted and fitted; is asked to stop, is powered off; its disk grows while
    it runs and while it is off; and it is removed while it runs.
    """
    driver = SimulatorDriver(spec)
    driver.prepare()
    for start, grace in ((1, 60.0), (2, 0.0)):
        seen = driver.ensure_running(plan, fresh=True, start=start)
        incarnation = seen.incarnation if seen.start == start else ""  # of a life that is led again
        driver.ensure_paused(plan.uid, incarnation=incarnation)
        driver.ensure_resumed(plan.uid, incarnation=incarnation)
        driver.ensure_rebooted(plan.uid, incarnation=incarnation, request=f"reboot {start}", hard=True)
        driver.ensure_fitted(larger(plan, 2), incarnation=incarnation)
        driver.ensure_stopped(plan.uid, incarnation=incarnation, grace=grace, beat=quiet)
    driver.ensure_running(larger(plan, 3), fresh=False, start=3)
    driver.ensure_removed(plan.uid)
    driver.close()


def run_guest(spec: SimulatorSpec, plan: GuestPlan) -> None:
    """Run a guest and end, as a worker that is shut down."""
    driver = SimulatorDriver(spec)
    driver.prepare()
    driver.ensure_running(plan, fresh=True, start=1)
    driver.close()
