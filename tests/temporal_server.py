"""A private Temporal server for the tests of one process, and a client of it.

Import the fixtures in tests/conftest.py. With pytest-xdist every worker process has a server of its own: nothing is
shared, and nothing is left running.
"""

import asyncio
import random
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from temporalio.client import Client

from manifests.contract import SEARCH_ATTRIBUTES
from runtime import temporal_server
from runtime.client import connect, ensure_search_attributes
from runtime.services import temporal_answers, temporal_process
from runtime.settings import Settings
from runtime.wait import until

GATEWAY_NAMESPACE = "gateway"
"""A Temporal namespace beside the usual one. The gateway's tests have it to themselves, as their workers serve a whole
session: no process may have two workers for one task queue of one namespace."""

_PORTS = range(20_000, 32_000)
"""Below the range the kernel takes the ports of outgoing connections from: one of those never gets in the way."""


def free_port() -> int:
    """Return a loopback port nobody listens on; chosen by chance, so that test processes rarely want the same."""
    while True:
        with socket.socket() as probe:
            port = random.SystemRandom().choice(_PORTS)  # pytest-randomly seeds the shared generator alike everywhere
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def private_settings(home: Path) -> Settings:
    """Return settings for a home of its own with ports of its own."""
    return Settings(
        home=home,
        external_address=None,
        temporal_port=free_port(),
        ui_port=free_port(),
        gateway_port=free_port(),
        hypervisor="none",
    )


@contextmanager
def tied(argv: Sequence[str], log: Path) -> Iterator[None]:
    """Run a server that ends with this block, and also when the tests are killed: the pipe it hangs on closes then."""
    script = '"$@" </dev/null & read -r _; kill -KILL $!; wait $!'
    with (
        log.open("w") as output,
        subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", *argv],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        ),
    ):
        yield


@asynccontextmanager
async def private_server(**dynamic_config: object) -> AsyncIterator[Settings]:
    """Run a server with vmflow's search attributes registered; gives its settings.

    dynamic_config: values beyond our own, with `__` for the dots in their names.
    """
    with tempfile.TemporaryDirectory(prefix="vmflow-temporal-") as home:
        settings, log = private_settings(Path(home)), Path(home) / "temporal.log"
        program = await asyncio.to_thread(temporal_server.ensure, settings, print)
        argv = [*temporal_process(settings, program, pages=False).argv, "--namespace", GATEWAY_NAMESPACE]
        for key, value in dynamic_config.items():
            argv += ["--dynamic-config-value", f"{key.replace('__', '.')}={value}"]
        with tied(argv, log):
            try:
                async with asyncio.timeout(60):
                    await until(lambda: temporal_answers(settings), every=0.05)
            except TimeoutError as error:
                error.add_note(await asyncio.to_thread(log.read_text))
                raise
            await ensure_search_attributes(await connect(settings), SEARCH_ATTRIBUTES)
            yield settings


@pytest.fixture(scope="session")
async def temporal_settings() -> AsyncIterator[Settings]:
    """Settings of the server that the tests of this process share."""
    async with private_server() as settings:
        yield settings


@pytest.fixture(scope="session")
async def client(temporal_settings: Settings) -> Client:
    return await connect(temporal_settings)
