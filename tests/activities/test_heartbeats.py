"""Heartbeats of blocking activities, and how they are told to stop."""

import asyncio
import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment

from activities import heartbeats
from activities.heartbeats import beat, heartbeating, pulsing
from domain.problem import Problem, Verdict


def test_a_beat_of_an_undisturbed_activity_does_nothing() -> None:
    assert ActivityEnvironment().run(beat) is None


def test_a_beat_stops_a_cancelled_activity() -> None:
    environment = ActivityEnvironment()
    environment.cancel()
    with pytest.raises(CancelledError):
        environment.run(beat)


def test_a_beat_hands_the_step_of_a_stopping_worker_to_the_next() -> None:
    environment = ActivityEnvironment()
    environment.worker_shutdown()
    with pytest.raises(Problem) as caught:
        environment.run(beat)
    assert (caught.value.reason, caught.value.verdict) == ("WorkerStopped", Verdict.RETRY)


def test_a_blocked_activity_heartbeats_with_its_latest_details(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "INTERVAL", 0.01)
    beats: list[Any] = []
    twice = threading.Event()

    def on_heartbeat(*details: Any) -> None:
        beats.append(details)
        if len(beats) == 2:
            twice.set()

    def blocks() -> None:
        with heartbeating(lambda: (len(beats),)):
            assert twice.wait(10)

    environment = ActivityEnvironment()
    environment.on_heartbeat = on_heartbeat
    environment.run(blocks)
    assert beats[:2] == [(0,), (1,)]
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


async def test_an_activity_that_awaits_beats_three_times_in_a_heartbeat_timeout() -> None:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_timeout=timedelta(seconds=0.3))
    beats: list[float] = []
    thrice = asyncio.Event()

    def on_heartbeat() -> None:
        beats.append(time.monotonic())
        if len(beats) > 3:
            thrice.set()

    environment.on_heartbeat = on_heartbeat

    async def body() -> None:
        async with pulsing():
            await thrice.wait()

    await environment.run(body)
    assert 0.25 < beats[3] - beats[0] < 5
