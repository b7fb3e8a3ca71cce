"""Dialing into a guest: through Temporal to the relay near its hypervisor, then directly."""

import pytest

from domain.channel import Endpoint
from domain.problem import Problem, Verdict
from manifests.contract import Update
from runtime.channels import Streams, dial
from tests.world import World

SECRET = "5ec2e7"


async def refused(world: World, endpoint: Endpoint = Endpoint.CONSOLE, port: int = 0, name: str = "vm") -> Problem:
    with pytest.raises(Problem) as caught:
        await dial(world.objects, name, world.name, endpoint, port)
    assert caught.value.field.endswith(name)
    return caught.value


async def shown(streams: Streams, mark: bytes) -> bytes:
    got: bytes = await streams[0].readuntil(mark)
    return got


async def test_who_dials_talks_to_the_guest_until_either_hangs_up(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        reader, writer = await dial(world.objects, "vm", world.name, Endpoint.CONSOLE)
        assert b"Linux version" in await shown((reader, writer), b"ttyS0\r\n")
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        await world.ask(Update.STOP)
        assert await reader.read() == b""
        writer.close()
        await world.until_status("Stopped")
        assert (await refused(world)).reason == "GuestNotRunning"
        await world.delete()


async def test_no_history_has_the_secret(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.channels.secrets.token_hex", lambda _: SECRET)
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        _, writer = await dial(world.objects, "vm", world.name, Endpoint.VNC)
        writer.close()
        closed = [each async for each in world.client.list_workflows("WorkflowType = 'Channel'")]
        ids = [each.id for each in closed if each.id.startswith(f"Channel/{world.name}/vm/")]
        (history,) = [await world.client.get_workflow_handle(each).fetch_history() for each in ids]
        assert SECRET not in history.to_json()
        await world.delete()


async def test_what_is_in_the_way_near_the_guest_is_told(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        problem = await refused(world, Endpoint.PORT, 81)
        assert (problem.reason, problem.verdict) == ("PortClosed", Verdict.TERMINAL)
        await world.delete()


async def test_a_vm_that_is_not_there_or_nowhere_has_no_guest(world: World) -> None:
    assert (await refused(world, name="nobody")).reason == "NotFound"
    lost = world.vm("lost")
    lost["metadata"]["labels"]["topology.kubernetes.io/zone"] = "nowhere"
    await world.objects.apply(lost)
    assert (await refused(world, name="lost")).reason == "NotPlaced"
    await world.delete("lost")


@pytest.mark.usefixtures("hasty")
async def test_where_nobody_serves_the_hypervisor_the_dial_says_so(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
    problem = await refused(world)
    assert (problem.reason, problem.verdict) == ("Unavailable", Verdict.RETRY)
    assert f"no worker of hypervisor {world.name} answered" in problem.message
    async with world.near():
        await world.delete()
