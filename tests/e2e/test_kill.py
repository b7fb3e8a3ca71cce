"""Processes killed with SIGKILL at the worst moments, on real QEMU: the VM's life goes on; nothing is lost or doubled.

The figures told at the end of the run: bytes served against the image's size, seconds from the kill to a running guest.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from images.download import CHUNK
from tests.e2e.answers import answer
from tests.e2e.attempts import attempts
from tests.e2e.audit import goes_without_a_trace, one_of_everything
from tests.e2e.stacks import WORKERS, eventually
from tests.e2e.tenant import WEB, Tenant
from tests.image_server import ImageServer

pytestmark = [pytest.mark.qemu, pytest.mark.xdist_group("qemu")]

Figure = Callable[[str], None]

_EAGER = 0.002
"""Seconds between looks for a moment that passes quickly."""


class Killed(NamedTuple):
    """What was there at the moment of a kill, and the seconds until the guest ran."""

    files: list[str]
    seconds: float


async def kill_every_worker(qemu: Tenant, moment: Callable[[], Awaitable[bool]], what: str) -> Killed:
    """Kill the workers at a moment, start them again, and wait until the guest is up."""
    await eventually(moment, what, every=_EAGER)
    await qemu.stack.kill(*WORKERS)
    began, files = time.monotonic(), qemu.files()
    await qemu.stack.up()
    await qemu.until_ready()
    return Killed(files, time.monotonic() - began)


async def test_fault_02_workers_killed_while_the_image_downloads(
    qemu: Tenant, images: ImageServer, padded_tiny: Path, figure: Figure
) -> None:
    images.rate = CHUNK
    url = images.serve("/padded.qcow2", padded_tiny, etag='"padded"')
    size = images.resource("/padded.qcow2").size
    assert size >= 5 * CHUNK
    uid = await qemu.apply(qemu.vm(url, cloudInit=WEB))

    async def half_served() -> bool:
        return images.bytes_served > size / 2

    killed = await kill_every_worker(qemu, half_served, "half of the image has come")
    assert any(name.endswith(".partial") for name in killed.files)
    figure(
        f"killed in mid-download: {images.bytes_served} bytes served for an image of {size}"
        f" ({images.bytes_served - size:+d}), {images.requests} requests, running {killed.seconds:.1f} s later"
    )
    assert images.bytes_served <= size + CHUNK
    await one_of_everything(qemu, web=uid)
    await goes_without_a_trace(qemu, "web")


async def test_fault_01_workers_killed_while_the_domain_is_created(
    qemu: Tenant, images: ImageServer, tiny: Path, figure: Figure
) -> None:
    uid = await qemu.apply(qemu.vm(images.serve("/tiny.qcow2", tiny), cloudInit=WEB))

    async def building() -> bool:
        return any(name.startswith(f"volumes/{uid}.") for name in qemu.files())

    killed = await kill_every_worker(qemu, building, "the guest's first file is there")
    there = ", ".join(Path(name).suffix for name in killed.files if name.startswith("volumes/"))
    figure(f"killed in mid-creation, with files {there}: running {killed.seconds:.1f} s later")
    assert await attempts(qemu, "web", "ensure_running") == [2], "the kill has struck the step"
    await one_of_everything(qemu, web=uid)
    await goes_without_a_trace(qemu, "web")


async def test_workers_killed_while_the_guest_boots(
    qemu: Tenant, images: ImageServer, tiny: Path, figure: Figure
) -> None:
    uid = await qemu.apply(qemu.vm(images.serve("/tiny.qcow2", tiny), cloudInit=WEB))

    async def booting() -> bool:
        return (await qemu.status()).get("reason") == "GuestBooting"

    killed = await kill_every_worker(qemu, booting, "the guest boots")
    figure(f"killed in mid-boot: running {killed.seconds:.1f} s later")
    assert (await qemu.status())["exits"] == 0, "the guest has not noticed"
    await one_of_everything(qemu, web=uid)
    await goes_without_a_trace(qemu, "web")


async def test_fault_22_the_temporal_server_killed_while_a_guest_runs(
    qemu: Tenant, images: ImageServer, tiny: Path, figure: Figure
) -> None:
    uid, address, before = await _running(qemu, images, tiny)
    await qemu.stack.kill("temporal")
    assert await answer(address) == "hello from web\n"
    began = time.monotonic()
    await qemu.stack.up()
    assert (await qemu.status())["vm"]["incarnation"] == before
    await _stops_and_goes(qemu, uid)
    figure(f"Temporal killed: stopped and deleted {time.monotonic() - began:.1f} s later")


async def _running(qemu: Tenant, images: ImageServer, tiny: Path) -> tuple[str, str, str]:
    """Return the UID, the address and the incarnation of a guest that answers."""
    uid = await qemu.apply(qemu.vm(images.serve("/tiny.qcow2", tiny), cloudInit=WEB))
    status = await qemu.until_ready()
    address = status["guest"]["addresses"][0]
    assert await answer(address) == "hello from web\n"
    return uid, address, status["vm"]["incarnation"]


async def _stops_and_goes(qemu: Tenant, uid: str) -> None:
    """Check that the VM still obeys, is still the same, and leaves nothing."""
    stopped = await qemu.vmflow("stop", "web")
    assert stopped.code == 0, stopped
    assert (await qemu.until_status("Stopped"))["message"] == "the guest shut itself down"
    await one_of_everything(qemu, web=uid)
    await goes_without_a_trace(qemu, "web")
