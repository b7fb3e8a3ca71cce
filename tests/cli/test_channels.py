"""The console on a terminal, forwarded ports and pipes: `kubectl virt` by the gateway, `vmflow` without it."""

import asyncio
import signal

import pytest

from tests.cli.saying import GATEWAY, TEMPORAL, WAYS, kubectl_virt, plugin
from tests.e2e.tenant import Tenant
from tests.terminals import Terminal, on_a_terminal

pytestmark = pytest.mark.xdist_group("commands")

ESCAPE = b"\x1d"
VMFLOW, KUBECTL = "vmflow", "kubectl"
PROGRAMS = [(TEMPORAL, VMFLOW), (GATEWAY, VMFLOW), (GATEWAY, KUBECTL)]


def console(program: str, tenant: Tenant) -> list[str]:
    words = ["kubectl", "virt"] if program == KUBECTL else ["bin/vmflow"]
    return [*words, "console", "web", "-n", tenant.namespace]


def attached(terminal: Terminal) -> None:
    """See that the console is there and answers."""
    terminal.until(b"ttyS0")
    terminal.type(b"hello\x03")
    terminal.until(b"hello\x03")
    assert terminal.raw


@pytest.mark.parametrize(("way", "program"), PROGRAMS)
async def test_a_console_takes_every_key_and_the_escape_gives_the_terminal_back(
    exposed: Tenant, variables: dict[str, str], program: str
) -> None:
    def session() -> None:
        with on_a_terminal(console(program, exposed), variables) as terminal:
            before = terminal.modes
            attached(terminal)
            terminal.type(ESCAPE)
            assert terminal.ended() == 0
            assert terminal.modes == before

    await asyncio.to_thread(session)


@pytest.mark.parametrize("program", [VMFLOW, KUBECTL])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_gives_the_terminal_back(
    exposed: Tenant, variables: dict[str, str], program: str, number: signal.Signals
) -> None:
    def session() -> None:
        with on_a_terminal(console(program, exposed), variables) as terminal:
            before = terminal.modes
            attached(terminal)
            terminal.program.send_signal(number)
            terminal.ended()
            assert terminal.modes == before

    await asyncio.to_thread(session)


@pytest.mark.parametrize("program", [VMFLOW, KUBECTL])
async def test_a_guest_that_ends_gives_the_terminal_back(
    exposed: Tenant, variables: dict[str, str], program: str
) -> None:
    with on_a_terminal(console(program, exposed), variables) as terminal:
        before = terminal.modes
        await asyncio.to_thread(attached, terminal)
        assert (await exposed.vmflow("stop", "web")).code == 0
        assert await asyncio.to_thread(terminal.ended) == 0
        assert terminal.modes == before


@pytest.mark.parametrize("way", WAYS)
async def test_a_vm_that_is_not_there_is_told_in_one_line(simulated: Tenant, variables: dict[str, str]) -> None:
    said = await simulated.vmflow("console", "nobody")
    assert (said.code, said.err.count("\n"), "NotFound" in said.err) == (1, 1, True), said
    said = await kubectl_virt(variables, "console", "nobody", "-n", simulated.namespace)
    assert (said.code, said.err.count("\n"), "NotFound" in said.err) == (1, 1, True), said


async def test_what_is_piped_into_a_console_is_typed_and_its_answer_printed(
    exposed: Tenant, variables: dict[str, str]
) -> None:
    said = await kubectl_virt(variables, "console", "web", "-n", exposed.namespace, stdin="typed\n")
    assert (said.code, "typed\n" in said.out) == (0, True), said


async def test_a_pipe_carries_everything_both_ways(exposed: Tenant, variables: dict[str, str]) -> None:
    sent = "0123456789" * 100_000
    words = ("port-forward", "--stdio", "web", "80", "-n", exposed.namespace)
    async with plugin(variables, *words) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(sent.encode())
        assert (await program.stdout.readexactly(len(sent))).decode() == sent


async def test_forwarded_ports_reach_the_guest_for_every_connection(exposed: Tenant, variables: dict[str, str]) -> None:
    async with plugin(variables, "port-forward", "vm/web", "0:80", "-n", exposed.namespace) as program:
        assert program.stdout is not None
        line = (await program.stdout.readline()).decode()
        assert line.startswith("Forwarding from 127.0.0.1:")
        port = int(line.split()[2].rpartition(":")[2])
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()


async def test_a_port_that_is_not_exposed_is_told_and_forwarding_goes_on(
    exposed: Tenant, variables: dict[str, str]
) -> None:
    async with plugin(variables, "port-forward", "vm/web", "0:81", "-n", exposed.namespace) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        port = int((await program.stdout.readline()).decode().split()[2].rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        assert b"TCP port 81 is not exposed" in await program.stderr.readline()
        assert program.returncode is None
