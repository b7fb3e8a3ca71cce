"""Where VMs find room: one claim each, waiting with the numbers, and a wake when room appears."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from temporalio.client import OutboundInterceptor, StartWorkflowUpdateInput, WorkflowUpdateHandle
from temporalio.testing import ActivityEnvironment

from activities import neighbours
from activities.errands import CLAIMS_AT_ONCE, ClaimRequest, Errands
from domain.hypervisor import Capacity
from domain.placement import Claim, Placement
from domain.problem import Problem
from manifests.contract import Join, Release, Signal, Update
from manifests.registry import kind_called
from runtime.objects import Document
from tests.tapping import tapped
from tests.world import World, eventually

LABEL = "topology.kubernetes.io/zone"


def claim(uid: str = "uid", memory: int = 2**30) -> Claim:
    return Claim(uid=uid, vm=f"VirtualServer/nowhere/{uid}", size=Capacity(cpus=1, memory=memory))


async def ask(world: World, wanted: Claim) -> Placement:
    zone = world.client.get_workflow_handle(f"Zone/{world.name}")
    answer: Placement = await zone.execute_update(Update.CLAIM, wanted, result_type=Placement)
    return answer


async def join(world: World, name: str = "", *, memory: int, ready: bool = True) -> None:
    zone = world.client.get_workflow_handle(f"Zone/{world.name}")
    await zone.signal(Signal.JOIN, Join(name=name or world.name, cpus=64, memory=memory, ready=ready))


def labelled(document: Document, zone: str) -> Document:
    """Return a VM that wants a zone; an empty name means any."""
    metadata = {**document["metadata"], "labels": {LABEL: zone} if zone else {}}
    return {**document, "metadata": metadata}


def sized(document: Document, memory: str) -> Document:
    return {**document, "spec": {**document["spec"], "resources": {"cpu": {"cores": "1"}, "memory": memory}}}


@dataclass
class Crowd:
    """How many updates a client has under way: now, and at most so far."""

    now: int = 0
    most: int = 0


class Counted(OutboundInterceptor):
    """One client's calls, of which the updates are counted from when they are sent until they are answered."""

    def __init__(self, next: OutboundInterceptor, crowd: Crowd) -> None:  # noqa: A002 - the SDK's name
        """Stand before the client's calls."""
        super().__init__(next)
        self._crowd = crowd

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002
        """Count one update."""
        self._crowd.now += 1
        self._crowd.most = max(self._crowd.most, self._crowd.now)
        try:
            return await super().start_workflow_update(input)
        finally:
            self._crowd.now -= 1


async def test_of_many_vms_at_once_a_few_ask_a_zone_at_a_time_and_each_gets_its_room(world: World) -> None:
    await join(world, "host", memory=2**40)
    crowd = Crowd()
    errands = Errands(tapped(world.client, partial(Counted, crowd=crowd)))
    requests = [ClaimRequest(zone=world.name, claim=claim(f"uid{number}")) for number in range(50)]
    answers = await asyncio.gather(*(ActivityEnvironment().run(errands.ensure_claimed, each) for each in requests))
    assert {answer.hypervisor for answer in answers} == {"host"}
    assert (await world.zone_status())["placed"] == len(requests)
    assert (crowd.most, crowd.now) == (CLAIMS_AT_ONCE, 0)


async def test_claiming_twice_is_claiming_once(world: World) -> None:
    await join(world, "host", memory=2**30)
    granted = Placement(hypervisor="host", size=Capacity(cpus=1, memory=2**30))
    assert [await ask(world, claim()) for _ in range(2)] == [granted] * 2
    assert (await world.zone_status())["placed"] == 1
    refused = await ask(world, claim("other"))
    assert refused.waiting
    assert refused.message == "0/1 hypervisors have 1 CPU and 1 GiB free: host has 63 CPU and 0 B"


async def test_a_vm_that_wants_more_is_woken_when_there_is_more_and_keeps_what_it_has(world: World) -> None:
    zone = world.client.get_workflow_handle(f"Zone/{world.name}")
    await join(world, "host", memory=2**31)
    await ask(world, claim())
    await ask(world, claim("other"))
    refused = await ask(world, claim(memory=2**31))
    assert (refused.hypervisor, refused.size, refused.waiting) == ("host", Capacity(cpus=1, memory=2**30), True)
    await zone.signal(Signal.RELEASE, Release(uid="other"))

    async def forgotten() -> bool:
        status = await world.zone_status()
        return (status["placed"], status["waiting"]) == (1, 0)

    await eventually(forgotten)
    assert (await ask(world, claim(memory=2**31))).size == Capacity(cpus=1, memory=2**31)


async def test_a_zone_that_is_being_deleted_still_tells_what_is_held(world: World) -> None:
    await join(world, "host", memory=2**30)
    await ask(world, claim())
    await world.objects.delete(kind_called("zones"), world.name)
    answer = await ask(world, claim(memory=2))
    assert (answer.hypervisor, answer.size) == ("host", Capacity(cpus=1, memory=2**30))
    assert answer.message == "the zone is being deleted"


async def test_a_release_wakes_those_who_wait_once_and_forgets_those_who_are_gone(world: World) -> None:
    zone = world.client.get_workflow_handle(f"Zone/{world.name}")
    await join(world, "host", memory=2**30)
    await ask(world, claim())
    assert (await ask(world, claim("gone"))).waiting
    await zone.signal(Signal.RELEASE, Release(uid="uid"))

    async def forgotten() -> bool:
        status = await world.zone_status()
        return (status["placed"], status["waiting"]) == (0, 0)

    await eventually(forgotten)


@pytest.mark.usefixtures("hasty")
async def test_a_vm_that_names_an_undeclared_zone_is_placed_when_it_is_declared(world: World) -> None:
    name = f"{world.name}-later"
    await world.objects.apply(labelled(world.vm(), name))
    status = await world.until_status("FailedUnschedulable")
    assert status["message"] == f"{name}: zone {name!r} is not declared"
    await world.objects.apply({**world.zone, "metadata": {"name": name}})
    status = await world.until(lambda status: "is not declared" not in status["message"])
    assert status["message"] == f"{name}: no hypervisor of the zone is ready"
    await world.delete()
    await world.objects.delete(kind_called("zones"), name)
    await world.client.get_workflow_handle(f"Zone/{name}").result()


@pytest.mark.usefixtures("hasty")
async def test_a_zone_that_is_being_deleted_takes_no_claims_and_tells_those_who_wait(
    world: World,
) -> None:
    async with world.near():
        await world.objects.apply(world.vm("placed"))
        await world.until_status("Running", "placed")
        await world.objects.apply(sized(world.vm("waiting"), "1Ti"))
        await world.until_status("FailedUnschedulable", "waiting")
        await world.objects.delete(kind_called("zones"), world.name)
        status = await world.until(lambda status: "being deleted" in status["message"], "waiting")
        assert status["message"] == f"{world.name}: the zone is being deleted"
        assert (await world.objects.get(kind_called("zones"), world.name))["status"]["placed"] == 1
        for name in ("waiting", "placed"):
            await world.delete(name)
        await world.objects.delete(kind_called("hypervisors"), world.name)
        await world.client.get_workflow_handle(f"Zone/{world.name}").result()


async def test_the_second_zone_takes_what_the_first_has_no_room_for(world: World) -> None:
    """Zones are asked by name; the one that had no room forgets the VM as soon as it is placed."""
    first = {**world.zone, "metadata": {"name": f"a-{world.name}"}}
    await world.objects.apply(first)
    async with world.near():
        await world.objects.apply(labelled(world.vm(), ""))
        status = await world.until_status("Running")
        assert status["placement"]["zone"] == world.name

        async def forgotten() -> bool:
            status = await zone_status(world, first)
            return (status["placed"], status["waiting"]) == (0, 0)

        await eventually(forgotten)
        await world.delete()
    await world.objects.delete(kind_called("zones"), first["metadata"]["name"])
    await world.client.get_workflow_handle(f"Zone/{first['metadata']['name']}").result()


async def zone_status(world: World, zone: Document) -> dict[str, Any]:
    status: dict[str, Any] = (await world.objects.get(kind_called("zones"), zone["metadata"]["name"]))["status"]
    return status


@pytest.mark.usefixtures("hasty")
async def test_without_any_zone_a_vm_says_so_and_is_placed_when_there_is_one(world: World) -> None:
    for kind in ("hypervisors", "zones"):
        await world.objects.delete(kind_called(kind), world.name)

    async def no_zone_is_listed() -> bool:
        return not await world.objects.list(kind_called("zones"))

    await eventually(no_zone_is_listed)
    await world.objects.apply(labelled(world.vm(), ""))
    status = await world.until_status("FailedUnschedulable")
    assert status["message"] == "no zone is declared; apply a Zone and a Hypervisor"
    async with world.near():
        await world.declare()
        await world.until_status("Running")
        await world.delete()


async def test_a_vm_that_may_live_anywhere_is_woken_by_a_zone_declared_later(world: World) -> None:
    later = f"{world.name}-later"
    await world.objects.apply(labelled(world.vm(), ""))
    await world.until_status("FailedUnschedulable")
    await world.objects.apply({**world.zone, "metadata": {"name": later}})
    hypervisor = {**world.hypervisor, "metadata": {"name": later}}
    hypervisor["spec"] = {**hypervisor["spec"], "zone": later}
    await world.objects.apply(hypervisor)
    async with world.near(later):
        status = await world.until_status("Running")
        assert status["placement"] == {"zone": later, "hypervisor": later}
        await world.delete()
        for kind in ("Hypervisor", "Zone"):
            await world.objects.delete(kind_called(kind), later)
            await world.client.get_workflow_handle(f"{kind}/{later}").result()


async def test_a_zone_that_cannot_tell_of_itself_keeps_its_ledger_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Any] = []

    async def out_of_order(*words: Any) -> bool:
        refused.append(words)
        raise Problem.terminal("OutOfOrder", "no signal gets through")

    await world.objects.apply(labelled(world.vm(), ""))
    await world.until_status("FailedUnschedulable")
    later = f"{world.name}-later"
    await world.objects.apply({**world.zone, "metadata": {"name": later}})
    monkeypatch.setattr(neighbours, "signal", out_of_order)
    zone = world.client.get_workflow_handle(f"Zone/{later}")
    await zone.signal(Signal.JOIN, Join(name="host", cpus=1, memory=2**30))

    async def tried() -> bool:
        return bool(refused)

    await eventually(tried)
    monkeypatch.undo()
    answer = await zone.execute_update(Update.CLAIM, claim(), result_type=Placement)
    assert answer.hypervisor == "host"
    await zone.terminate()
    await world.delete()
