"""The kubectl plugin on a gateway: a VM's operations, its screen, its log, its story, and what its guest tells."""

import asyncio
import json

import pytest

from cli.virt import _new_of
from tests.cli.saying import kubectl_virt, plugin
from tests.e2e.stacks import Said
from tests.e2e.tenant import Tenant

pytestmark = pytest.mark.xdist_group("commands")


async def virt(tenant: Tenant, variables: dict[str, str], *words: str) -> Said:
    """Run the plugin on a tenant's namespace: that of its kubeconfig."""
    said = await kubectl_virt(variables, *words)
    assert tenant.namespace not in words
    return said


@pytest.mark.parametrize(
    ("command", "word"),
    [("pause", "Paused"), ("pause unpause", "Running"), ("soft-reboot", "Running"), ("reset", "Running")],
)
async def test_a_live_operation_is_done_to_the_guest_that_runs(
    web: Tenant, variables: dict[str, str], command: str, word: str
) -> None:
    before = (await web.status())["vm"]["incarnation"]
    for each in command.split():
        said = await virt(web, variables, each, "web")
        assert (said.code, said.out) == (0, f"VM web was scheduled to {each.replace('-', ' ')}\n"), said
    asked = command.rsplit(maxsplit=1)[-1].replace("-", "")
    status = await web.until(
        lambda status: status.get("lastOperation", {}).get("operation") == asked and status["printableStatus"] == word,
        f"the VM is {word} after {command}",
    )
    assert (status["vm"]["incarnation"], status["exits"]) == (before, 0)


async def test_a_vm_is_stopped_started_and_restarted(web: Tenant, variables: dict[str, str]) -> None:
    for words, states in (
        (("stop", "vm/web", "--force"), ("Stopped", 1)),
        (("start", "vm", "web"), ("Running", 1)),
        (("restart", "web"), ("Running", 2)),
    ):
        assert (await virt(web, variables, *words)).code == 0
        await web.until(
            lambda status, states=states: (status["printableStatus"], status["exits"]) == states,  # type: ignore[misc]
            f"{states} after {words}",
        )


async def test_the_same_request_twice_is_one(web: Tenant, variables: dict[str, str]) -> None:
    for _ in range(2):
        assert (await virt(web, variables, "restart", "web", "--request-id", "once")).code == 0
    await web.until_ran("web", 1)
    assert (await virt(web, variables, "restart", "web", "--request-id", "once")).code == 0
    assert (await web.status())["exits"] == 1


async def test_what_does_not_apply_is_told_in_one_line(web: Tenant, variables: dict[str, str]) -> None:
    said = await virt(web, variables, "unpause", "web")
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert said.err.startswith("Error (409 Conflict): ")
    assert "unpause needs a paused guest" in said.err


@pytest.mark.parametrize(
    "words", [["start"], ["logs"], ["events"], ["why"], ["guestinfo"], ["vnc", "--proxy-only"], ["reset"]]
)
async def test_a_vm_that_is_not_there_is_not_found(
    simulated: Tenant, variables: dict[str, str], words: list[str]
) -> None:
    if words[0] == "vnc":  # the screen is asked for when a viewer connects
        async with plugin(variables, *words, "nobody") as program:
            port = await listening(program)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            writer.close()
            assert program.stderr is not None
            assert b'"nobody" not found' in await program.stderr.readline()
        return
    said = await virt(simulated, variables, *words, "nobody")
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1), said
    assert said.err.startswith("Error (404 NotFound): ")
    assert '"nobody" not found' in said.err


async def test_a_screen_is_lent_to_a_viewer(web: Tenant, variables: dict[str, str]) -> None:
    async with plugin(variables, "vnc", "web", "--proxy-only") as program:
        reader, writer = await asyncio.open_connection("127.0.0.1", await listening(program))
        assert await reader.readline() == b"RFB 003.008\n"
        writer.close()


async def listening(program: asyncio.subprocess.Process) -> int:
    """Return the local port that a program tells of."""
    assert program.stdout is not None
    return int((await program.stdout.readline()).decode().rpartition(":")[2])


async def test_the_log_is_what_the_console_showed(web: Tenant, variables: dict[str, str]) -> None:
    said = await virt(web, variables, "logs", "web")
    assert (said.code, "Linux version" in said.out) == (0, True), said


async def test_a_followed_log_goes_on_with_the_next_power_on(web: Tenant, variables: dict[str, str]) -> None:
    async with plugin(variables, "logs", "-f", "web") as program:
        assert program.stdout is not None
        await until_line(program.stdout, b"Linux version")
        assert (await web.vmflow("restart", "web", "--force")).code == 0
        await web.until_ran("web", 1)
        await until_line(program.stdout, b"Linux version")


async def until_line(stream: asyncio.StreamReader, mark: bytes) -> None:
    async with asyncio.timeout(60):
        while mark not in (line := await stream.readline()):
            assert line


LINES = "".join(f"line {number}\n" for number in range(500))


@pytest.mark.parametrize(
    ("told", "text", "new"),
    [
        ("", "abc", "abc"),
        ("abc", "abcdef", "def"),
        ("abc", "abc", ""),
        (f"dropped {LINES}", f"{LINES}new", "new"),
        ("the first life", "another", "another"),
    ],
)
def test_of_a_log_that_was_read_before_only_what_is_new_is_shown(told: str, text: str, new: str) -> None:
    assert _new_of(text, told) == new


async def test_the_story_is_told_as_by_temporal(web: Tenant, variables: dict[str, str]) -> None:
    assert (await virt(web, variables, "stop", "web", "--request-id", "before-backup")).code == 0
    await web.until_status("Stopped")
    story = (await virt(web, variables, "events", "web")).out
    assert story == (await web.vmflow("events", "web")).out
    assert "(request before-backup)" in story


async def test_why_a_vm_is_as_it_is_is_told(web: Tenant, variables: dict[str, str]) -> None:
    said = await virt(web, variables, "why", "web")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "web is Running (GuestBooted)"
    assert any(line.split()[:2] == ["Ready", "True"] for line in lines)


async def test_trouble_is_told_as_well(simulated: Tenant, variables: dict[str, str]) -> None:
    homeless = simulated.vm("http://127.0.0.1/disk", name="homeless")
    homeless["metadata"]["labels"] = {"topology.kubernetes.io/zone": "elsewhere"}
    await simulated.apply(homeless)
    await simulated.until_status("FailedUnschedulable", "homeless")
    lines = (await virt(simulated, variables, "why", "homeless")).out.splitlines()
    assert lines[0].startswith("homeless is FailedUnschedulable")
    said = await virt(simulated, variables, "guestinfo", "homeless")
    assert (said.code, said.err.startswith("Error (GuestSilent): homeless: ")) == (1, True), said


async def test_what_the_guest_tells_of_itself_is_printed(web: Tenant, variables: dict[str, str]) -> None:
    said = await virt(web, variables, "guestinfo", "web")
    assert (said.code, json.loads(said.out)) == (0, (await web.status())["guest"])


async def test_images_are_not_uploaded_and_what_to_do_instead_is_told(variables: dict[str, str]) -> None:
    said = await kubectl_virt(variables, "image-upload", "disk", "--image-path", "/images/disk.qcow2")
    assert (said.code, said.err.startswith("Error (NoUpload): ")) == (1, True)
    assert "http://ADDRESS:8099/disk.qcow2" in said.err
