"""Heartbeats of blocking activities, and how they are told to stop."""

import threading
from typing import Any

import pytest
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment

from activities import heartbeats
from activities.heartbeats import beat, heartbeating
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
