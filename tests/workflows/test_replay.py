"""Running lives outlive the code they began with: every golden history replays on the workflows as they are."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from activities.channels import Channels
from activities.clearing import Clearing
from activities.hypervisor import HypervisorActivities
from activities.rounds import Rounds
from activities.watch import Watch
from domain.lifecycle import TABLE, Goal, Situation, Step
from tests.histories import FOLDER
from workers.lifecycle import WORKFLOWS, sandbox

HISTORIES = sorted(FOLDER.glob("*.json"))


def history(path: Path) -> WorkflowHistory:
    recorded = json.loads(path.read_text())
    started = recorded["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], recorded)


async def replay(path: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=sandbox(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(history(path))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_fault_26_a_golden_history_replays(path: Path) -> None:
    await replay(path)


@pytest.mark.parametrize(
    ("recorded", "situation", "step"),
    [("vm-cached", Situation.READY, Step.DEFINE), ("vm-operated", Situation.OFF, Step.DEFINE)],
)
async def test_a_changed_table_does_not_replay(
    recorded: str, situation: Situation, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLE[Goal.RUN], situation, step)
    with pytest.raises(NondeterminismError):
        await replay(FOLDER / f"{recorded}.json")


def test_the_histories_tell_of_every_workflow_and_every_step_at_a_hypervisor() -> None:
    events = [event for path in HISTORIES for event in json.loads(path.read_text())["events"]]
    types = {
        kind: {event[attributes][kind]["name"] for event in events if attributes in event}
        for kind, attributes in (
            ("workflowType", "workflowExecutionStartedEventAttributes"),
            ("activityType", "activityTaskScheduledEventAttributes"),
        )
    }
    assert types["workflowType"] == {workflow.__name__ for workflow in WORKFLOWS}
    steps = {name for name in vars(HypervisorActivities) if not name.startswith("_")}
    others = (Watch.watch, Rounds.wake_unplaced, Clearing.clear, Channels.admit)
    assert types["activityType"] == steps | {each.__name__ for each in others}
