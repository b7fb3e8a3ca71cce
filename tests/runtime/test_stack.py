import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from domain.problem import Problem
from manifests.registry import kind_of
from runtime import libvirt_daemons
from runtime.client import connect
from runtime.launch import identify
from runtime.machine import machine_manifests
from runtime.objects import Objects
from runtime.processes import Processes
from runtime.services import polls, workers
from runtime.settings import Settings
from runtime.stack import Member, Stack
from tests.temporal_server import private_settings


@pytest.fixture
async def settings() -> AsyncIterator[Settings]:
    """Settings of a home whose hypervisor is the simulator; whatever runs there is stopped afterwards."""
    with tempfile.TemporaryDirectory(prefix="vmflow-stack-") as home:
        settings = private_settings(Path(home)).model_copy(update={"hypervisor": "simulator"})
        yield settings
        await Stack(settings).down(print)


def by_name(members: list[Member]) -> dict[str, Member]:
    return {member.name: member for member in members}


async def test_up_brings_everything_to_readiness_and_down_ends_it_all(settings: Settings) -> None:
    lines: list[str] = []
    stack = Stack(settings)
    members = by_name(await stack.up(lines.append))
    assert list(members) == ["temporal", "lifecycle", "hypervisor", "gateway"]
    assert all(member.ready and member.state == "running" for member in members.values())
    identities = [identify(member.pid or 0) for member in members.values()]

    assert await stack.down(lines.append) == ["gateway", "lifecycle", "hypervisor", "temporal"]
    assert all(identity and identify(identity.pid) != identity for identity in identities)
    assert {member.state for member in await stack.status()} == {"stopped"}


async def test_up_again_changes_nothing_and_a_killed_worker_comes_back_alone(settings: Settings) -> None:
    stack = Stack(settings)
    first = by_name(await stack.up(print))
    assert by_name(await stack.up(print)) == first

    await Processes(settings.home).ensure_stopped("lifecycle", grace=0)
    assert not by_name(await stack.status())["lifecycle"].ready
    second = by_name(await stack.up(print))
    assert second["lifecycle"].pid != first["lifecycle"].pid
    assert second["lifecycle"].ready
    assert second["temporal"] == first["temporal"]


async def test_two_ups_at_once_make_one_stack(settings: Settings) -> None:
    one, other = await asyncio.gather(Stack(settings).up(print), Stack(settings).up(print))
    assert one == other


async def test_up_declares_this_machine_and_the_declaration_outlives_the_server(settings: Settings) -> None:
    stack = Stack(settings)
    await stack.up(print)
    await stack.down(print)
    await stack.up(print)
    objects = Objects(await connect(settings))
    for manifest in machine_manifests(settings):
        found = await objects.get(kind_of(manifest), manifest["metadata"]["name"])
        assert found["kind"] == manifest["kind"]


async def test_the_database_is_for_its_owner_alone(settings: Settings) -> None:
    await Stack(settings.model_copy(update={"hypervisor": "none"})).up(print)
    assert settings.database.stat().st_size > 0
    assert settings.database.parent.stat().st_mode & 0o077 == 0


async def test_a_port_that_is_taken_is_a_problem_that_names_the_setting(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.temporal_port))
        other.listen()
        with pytest.raises(Problem) as caught:
            await Stack(settings).up(print)
    assert (caught.value.reason, caught.value.field) == ("PortInUse", "VMFLOW_TEMPORAL_PORT")


async def test_somebody_elses_server_is_used_and_left_alone(
    settings: Settings, temporal_settings: Settings, client: Client
) -> None:
    update = {"external_address": temporal_settings.temporal_address, "hypervisor": "none"}
    stack = Stack(settings.model_copy(update=update))
    members = by_name(await stack.up(print))
    assert (members["temporal"].state, members["temporal"].ready) == ("external", True)
    assert await stack.down(print) == ["gateway", "lifecycle"]
    assert (await client.count_workflows()).count >= 0


async def test_status_of_what_never_ran_is_stopped_and_creates_nothing(settings: Settings) -> None:
    assert {(member.state, member.ready) for member in await Stack(settings).status()} == {("stopped", False)}
    assert list(settings.home.iterdir()) == []


async def test_a_poller_from_before_a_worker_s_start_does_not_make_it_ready(settings: Settings) -> None:
    stack = Stack(settings)
    await stack.up(print)
    await Processes(settings.home).ensure_stopped("lifecycle")
    client = await connect(settings)
    later = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        identity = identify(later.pid)
        assert identity is not None
        assert not await polls(client, workers(settings)[0], identity)
    finally:
        later.kill()
        await later.wait()


async def test_guests_keep_libvirt_s_daemons_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def two() -> int:
        return 2

    monkeypatch.setattr(libvirt_daemons, "active_guests", two)
    monkeypatch.setattr(libvirt_daemons, "NAMES", ("temporal",))  # any process of ours stands for the daemon
    stack, lines = Stack(settings.model_copy(update={"hypervisor": "none"})), list[str]()
    await stack.up(print)
    await stack.down(lines.append)
    assert "libvirt: stays, it runs 2 guests" in lines


async def test_a_database_of_a_version_with_other_histories_is_refused(settings: Settings) -> None:
    bare = settings.model_copy(update={"hypervisor": "none"})
    await Stack(bare).up(print)
    await Stack(bare).down(print)
    note = bare.database.with_name("histories")
    for other in (lambda: note.write_text("1\n"), note.unlink):
        other()
        with pytest.raises(Problem, match=r"another version of vmflow.*VMFLOW_HOME") as refused:
            await Stack(bare).up(print)
        assert (refused.value.reason, refused.value.field) == ("OtherHistories", str(bare.database))
    assert not Processes(bare.home).running("temporal")
