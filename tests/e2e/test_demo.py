"""The main job: what `bin/demo` runs once the machine is set up, with a real Debian cloud image under real QEMU."""

import asyncio
import os
import re
import subprocess
import sys

import pytest

from tests.e2e.stacks import ROOT, PrivateStack
from tests.image_server import ImageServer

pytestmark = [pytest.mark.demo, pytest.mark.qemu, pytest.mark.xdist_group("qemu")]


async def test_the_demo_ends_with_an_answer_from_inside_a_debian_guest_and_can_be_repeated(
    qemu_stack: PrivateStack, images: ImageServer
) -> None:
    image = images.serve("/debian.qcow2", ROOT / ".cache/guests/debian.qcow2")
    first = await _demo(qemu_stack, image)
    assert "virtualserver/hello created" in first
    assert re.search(r"hypervisor local: (kvm|tcg): .+", first)
    assert "cloud-init" in first
    assert "hello from a guest that Temporal keeps alive" in first
    assert re.search(r"\$ kubectl get vs\nNAME +STATUS.*\nhello +Running +True +local", first)
    assert re.search(r"\$ kubectl describe vs hello\n\.\.\.\nEvents:\n(.*\n)+ +Normal +Requested .* declared", first)
    assert "bin/vmflow delete vs hello" in first

    again = await _demo(qemu_stack, image)
    assert "virtualserver/hello unchanged" in again
    assert "hello from a guest that Temporal keeps alive" in again
    assert (await qemu_stack.vmflow("delete", "vs", "hello")).code == 0


async def _demo(stack: PrivateStack, image: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli.demo", image],
        cwd=ROOT,
        env={**os.environ, **stack.settings.environment(), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return str(done.stdout)
