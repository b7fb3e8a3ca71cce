"""What commands are asked, and what they say: to people, to shells, and when something is wrong."""

import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from runtime.objects import CODES
from runtime.settings import Settings
from tests.e2e.stacks import Said, vmflow
from tests.e2e.tenant import Tenant
from tests.terminals import ROOT

TEMPORAL, GATEWAY = "temporal", "gateway"
WAYS = [TEMPORAL, GATEWAY]
"""The ways by which commands reach objects."""

ME = f"{getpass.getuser()}@{socket.gethostname()}"
"""Who asks, as commands say it where no gateway knows better."""


def me(tenant: Tenant) -> str:
    """Return who asks: behind a gateway the account."""
    file = tenant.variables.get("VMFLOW_KUBECONFIG")
    return str(yaml.safe_load(Path(file).read_text())["users"][0]["name"]) if file else ME


def is_one_line(said: Said, reason: str) -> bool:
    """Tell whether a command has failed with one line for people."""
    lines = said.err.splitlines()
    return said.code == 1 and said.out == "" and len(lines) == 1 and lines[0].startswith(error(reason))


def is_about(said: Said, reason: str, *words: str) -> bool:
    """Tell whether a command's one line about trouble has that reason, and names what it is about."""
    (line,) = said.err.splitlines()
    return line.startswith(error(reason)) and all(word.lower() in line.lower() for word in words)


def error(reason: str) -> str:
    """Return how a line about trouble of that reason begins: with the code of what Kubernetes knows as well."""
    return f"Error ({CODES[reason]} {reason}): " if reason in CODES else f"Error ({reason}): "


async def completed(settings: Settings, words: str, **variables: str) -> Said:
    """Ask as bash does when somebody presses the tabulator."""
    count = str(len(words.split()) - 1)
    return await vmflow(settings, _VMFLOW_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count, **variables)


async def kubectl_virt(variables: Mapping[str, str], *arguments: str, stdin: str = "") -> Said:
    """Run the plugin to its end."""
    async with plugin(variables, *arguments) as program:
        out, err = await program.communicate(stdin.encode())
    assert program.returncode is not None
    return Said(program.returncode, out.decode(), err.decode())


@asynccontextmanager
async def plugin(variables: Mapping[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the plugin meanwhile."""
    program = await asyncio.create_subprocess_exec(
        ROOT / "bin/kubectl-virt",
        *arguments,
        env={**os.environ, **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.terminate()
            await program.communicate()
