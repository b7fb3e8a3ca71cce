"""Reaching into a real guest with `kubectl virt` and `vmflow`: its shell, its web server, its SSH server."""

import asyncio
import os
import subprocess
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from domain.access import EVERYWHERE, Grant, Role
from runtime import accounts, kubeconfig
from tests.e2e.stacks import eventually
from tests.e2e.tenant import WEB, Tenant
from tests.image_server import ImageServer
from tests.terminals import ROOT, Terminal, on_a_terminal

ESCAPE = b"\x1d"
VIRT = ["kubectl", "virt"]


@pytest.mark.qemu
async def test_a_guest_is_reached_by_console_forwarded_port_and_ssh(
    qemu: Tenant, images: ImageServer, tiny: Path, tmp_path: Path
) -> None:
    variables = await environment(qemu, tmp_path)
    key = tmp_path / "key"
    script = f"{WEB}# {await asyncio.to_thread(generated, key)}"
    disk = await asyncio.to_thread(tiny.read_bytes)
    await qemu.apply(qemu.vm(images.serve("/tiny.qcow2", disk), cloudInit=script, network={"tcp": [22, 80]}))
    await qemu.until_ready()
    await eventually(lambda: prompts(qemu), "the guest's shell is on its console")
    for program in (VIRT, ["bin/vmflow"]):
        command = [*program, "console", "web", "-n", qemu.namespace]
        await asyncio.to_thread(calculate, command, variables)
    await asyncio.to_thread(browse, [*VIRT, "port-forward", "vm/web", "0:80", "-n", qemu.namespace], variables)
    login = ["ssh", "root@vm/web", "-n", qemu.namespace, "-i", str(key), "--"]
    options = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path / 'hosts'}", "hostname"]
    said = await asyncio.to_thread(run, [*VIRT, *login, *options], variables)
    assert said.stdout.decode() == "web\n", said


async def environment(tenant: Tenant, folder: Path) -> dict[str, str]:
    grant = Grant(namespace=EVERYWHERE, role=Role.ADMIN)
    token = await accounts.create(tenant.objects, f"admin-{uuid4().hex[:8]}", [grant])
    kubeconfig.write(folder / "kubeconfig", kubeconfig.document(tenant.stack.settings, "admin", token))
    path = f"{ROOT / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**tenant.stack.settings.environment(), "KUBECONFIG": str(folder / "kubeconfig"), "PATH": path}


async def prompts(tenant: Tenant) -> bool:
    """Tell whether the guest's shell waits for somebody; what is typed before is lost."""
    return "web:/# " in (await tenant.vmflow("console", "web", "--log")).out


def generated(key: Path) -> str:
    """Make an SSH key; return its public part."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    return key.with_suffix(".pub").read_text()


def calculate(command: list[str], variables: dict[str, str]) -> None:
    """Let the guest's shell calculate, and leave."""
    with on_a_terminal(command, variables) as terminal:
        before = terminal.modes
        terminal.until(b"Ctrl+] to leave.")
        prompted(terminal)
        terminal.type(b"echo $((6*7))\r")
        terminal.until(b"echo $((6*7))\r\n")  # the guest's echo, and no other
        assert terminal.until(b"\r\n") == b"42"
        terminal.type(ESCAPE)
        assert terminal.ended() == 0
        assert terminal.modes == before


def prompted(terminal: Terminal) -> None:
    terminal.type(b"\r")
    terminal.until(b"web:/# ")


def browse(command: list[str], variables: dict[str, str]) -> None:
    """Read the guest's page through a forwarded port."""
    with on_a_terminal(command, variables) as terminal:
        terminal.until(b"Forwarding from ")
        address = terminal.until(b" -> 80").decode()
        for _ in range(2):
            assert httpx.get(f"http://{address}/", timeout=60).text == "hello from web\n"


def run(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, check=False, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, timeout=120
    )
