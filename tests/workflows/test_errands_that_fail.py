"""Errands that fail or take too long hold a VM up, and it goes on where it was: also after its history was replayed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.workflow import LocalActivityConfig

from activities.errands import Errands
from domain.problem import Problem
from tests.image_server import ImageServer
from tests.world import World
from workflows import steps


def hasty_errand(summary: str) -> LocalActivityConfig:
    return LocalActivityConfig(
        start_to_close_timeout=timedelta(milliseconds=200),
        schedule_to_close_timeout=timedelta(milliseconds=500),
        retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=2),
        summary=summary,
    )


async def hang(*_: Any) -> None:
    await asyncio.sleep(3600)


async def refuse(*_: Any) -> None:
    raise Problem.terminal("OutOfOrder", "nobody takes signals")


@asynccontextmanager
async def served(world: World) -> AsyncIterator[None]:
    async with world.lifecycle(), world.near():
        yield


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("trouble", "reason"), [(hang, "StepFailed"), (refuse, "OutOfOrder")])
async def test_an_errand_that_fails_is_tried_again_also_by_a_worker_that_replays(
    client: Client, tmp_path: Path, image_server: ImageServer, trouble: Any, reason: str
) -> None:
    world = World(client, tmp_path / "host", image_server)
    try:
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(steps, "errand", hasty_errand)
            async with served(world):
                await world.declare()
                await world.objects.apply(world.vm())
                await world.until_status("Running")
                broken.setattr(Errands, "_signal", trouble)
                await world.objects.delete(*world.key())
                status = await world.until(lambda status: status["reason"] == reason)
                assert status["printableStatus"] == "Terminating"
        async with served(world):
            await world.handle().signal("wake", "room")
            assert await world.handle().result() == "deleted; nothing is left"
    finally:
        await world.end()
