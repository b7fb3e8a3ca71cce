"""Signals that do not fit their handlers, as the `temporal` CLI can send them."""

from typing import Any

import pytest

from manifests.contract import Signal
from manifests.registry import kind_called
from tests.world import World, eventually


@pytest.mark.parametrize(
    ("signal", "arguments"),
    [
        (Signal.DELETE, [{"reason": "x"}, {"more": 1}]),
        (Signal.WAKE, ["guest", "guest"]),
        (Signal.WAKE, [{"about": "guest"}]),
        ("unheard-of", []),
    ],
)
async def test_a_vm_that_got_a_signal_nobody_can_take_still_lives_and_goes(
    world: World, signal: str, arguments: list[Any]
) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.handle().signal(signal, args=arguments)
        await world.until_status("Running")
        await world.delete()


async def test_a_zone_that_got_signals_nobody_can_take_still_places(world: World) -> None:
    zone = world.client.get_workflow_handle(f"Zone/{world.name}")
    for signal, arguments in (
        (Signal.LEAVE, []),
        (Signal.JOIN, ["x"]),
        (Signal.RELEASE, [{"x": 1}]),
        (Signal.JOIN, []),
    ):
        await zone.signal(signal, args=arguments)
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        await world.delete()
    await eventually(lambda: _empty(world))


async def test_a_claim_that_arrives_after_its_vm_is_gone_is_not_granted(world: World) -> None:
    async with world.near():
        await world.objects.apply(world.vm())
        await world.until_status("Running")
        uid = await world.uid()
        await world.delete()
        zone = world.client.get_workflow_handle(f"Zone/{world.name}")
        claim = {"uid": uid, "vm": "VirtualServer/x/y", "size": {"cpus": 1, "memory": 1}}
        answer = await zone.execute_update("claim", claim)
        assert answer["message"] == "the VM is gone"
        await eventually(lambda: _empty(world))


async def _empty(world: World) -> bool:
    return bool((await world.objects.get(kind_called("zones"), world.name))["status"]["placed"] == 0)
