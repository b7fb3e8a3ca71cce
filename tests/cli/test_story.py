"""A VM's story, told from the events of its history."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.contrib.pydantic import pydantic_data_converter as converter

from manifests.contract import OBJECT_MEMO, PowerRequest
from runtime.story import Line, tell, words


class History:
    """A history that is written by hand; stands for the handle of a workflow."""

    def __init__(self) -> None:
        self._events: list[HistoryEvent] = []

    def add(self, kind: str) -> HistoryEvent:
        """Append an event of a type and return it, to be filled in."""
        at = Timestamp()
        at.FromDatetime(datetime(2026, 1, 31, 12, 0, len(self._events), tzinfo=UTC))
        number = EventType.Value(f"EVENT_TYPE_{kind}")
        self._events.append(HistoryEvent(event_id=len(self._events) + 1, event_type=number, event_time=at))
        return self._events[-1]

    async def step(self, name: str, summary: str = "") -> int:
        """Append a scheduled activity and return its event's id."""
        event = self.add("ACTIVITY_TASK_SCHEDULED")
        event.activity_task_scheduled_event_attributes.activity_type.name = name
        if summary:
            (payload,) = await converter.encode([summary])
            event.user_metadata.summary.CopyFrom(payload)
        return event.event_id

    async def published(self, **status: str) -> None:
        """Append a change of the memo."""
        (payload,) = await converter.encode([{"status": status}])
        memo = self.add("WORKFLOW_PROPERTIES_MODIFIED").workflow_properties_modified_event_attributes.upserted_memo
        memo.fields[OBJECT_MEMO].CopyFrom(payload)

    async def fetch_history_events(self) -> AsyncIterator[HistoryEvent]:
        for event in self._events:
            yield event

    async def told(self) -> list[tuple[str, str]]:
        """Return the kinds and texts of the story."""
        return [(line.kind, line.text) for line in await self.lines()]

    async def lines(self) -> list[Line]:
        handle: Any = self
        return [line async for line in tell([handle], converter)]


async def test_a_life_begins_with_a_declaration_and_ends_with_nothing() -> None:
    history = History()
    history.add("WORKFLOW_EXECUTION_STARTED")
    history.add("WORKFLOW_TASK_SCHEDULED")
    history.add("WORKFLOW_EXECUTION_COMPLETED")
    lines = await history.lines()
    assert [(line.kind, line.text) for line in lines] == [("asked", "declared"), ("status", "gone")]
    assert [f"{line.at:%H:%M:%S}" for line in lines] == ["12:00:00", "12:00:02"]


def started_after(run: str) -> History:
    """Return a history that begins where another run ended."""
    history = History()
    started = history.add("WORKFLOW_EXECUTION_STARTED").workflow_execution_started_event_attributes
    started.continued_execution_run_id = run
    return history


async def test_a_life_of_several_runs_is_one_story() -> None:
    first, second = History(), started_after("run-1")
    first.add("WORKFLOW_EXECUTION_STARTED")
    await first.published(printableStatus="Running", message="the guest is up")
    first.add("WORKFLOW_EXECUTION_CONTINUED_AS_NEW")
    await second.published(printableStatus="Running", message="the guest is up")
    second.add("WORKFLOW_EXECUTION_COMPLETED")
    handles: Any = [first, second]
    assert [(line.kind, line.text) async for line in tell(handles, converter)] == [
        ("asked", "declared"),
        ("status", "Running: the guest is up"),
        ("status", "history was long; the life goes on in a new run"),
        ("status", "gone"),
    ]


async def test_a_story_whose_beginning_is_no_longer_kept_says_where_it_goes_on_from() -> None:
    assert await started_after("run-1").told() == [("status", "the life goes on from run run-1")]


async def test_a_worker_that_cannot_go_on_with_a_history_is_trouble() -> None:
    history = History()
    failed = history.add("WORKFLOW_TASK_FAILED").workflow_task_failed_event_attributes
    failed.failure.message = "[TMPRL1100] nondeterminism"
    history.add(
        "WORKFLOW_TASK_TIMED_OUT"
    ).workflow_task_timed_out_event_attributes.timeout_type = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
    assert await history.told() == [
        ("trouble", "the worker cannot go on with this history: [TMPRL1100] nondeterminism"),
        ("trouble", "the worker was lost in the middle of a decision; the next one takes it"),
    ]


async def test_a_decision_that_is_simply_taken_again_is_not_told() -> None:
    history = History()
    history.add(
        "WORKFLOW_TASK_FAILED"
    ).workflow_task_failed_event_attributes.cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
    history.add(
        "WORKFLOW_TASK_TIMED_OUT"
    ).workflow_task_timed_out_event_attributes.timeout_type = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
    assert await history.told() == []


async def test_an_operation_is_told_with_who_asked_for_it() -> None:
    history = History()
    accepted = history.add("WORKFLOW_EXECUTION_UPDATE_ACCEPTED").workflow_execution_update_accepted_event_attributes
    accepted.accepted_request.input.name, accepted.accepted_request.meta.update_id = "stop", "7"
    request = PowerRequest(force=True, by="root@host")
    accepted.accepted_request.input.args.payloads.extend(await converter.encode([request]))
    assert await history.told() == [("asked", "stop, forced by root@host (request 7)")]


async def test_a_step_is_told_by_its_summary_or_else_by_its_name() -> None:
    history = History()
    for number in (await history.step("observe"), await history.step("ensure_running", "power on at local")):
        completed = history.add("ACTIVITY_TASK_COMPLETED").activity_task_completed_event_attributes
        completed.scheduled_event_id = number
    assert await history.told() == [
        ("step", "observe"),
        ("step", "power on at local"),
        ("done", "observe"),
        ("done", "power on at local"),
    ]


async def test_a_step_that_fails_names_the_problem() -> None:
    history = History()
    number = await history.step("ensure_running", "power on")
    failed = history.add("ACTIVITY_TASK_FAILED").activity_task_failed_event_attributes
    failed.scheduled_event_id = number
    failed.failure.message = "team/web: the disk has 1 GiB and its image needs 2 GiB"
    failed.failure.application_failure_info.type = "DiskTooSmall"
    assert (await history.told())[-1] == (
        "trouble",
        "power on: DiskTooSmall: team/web: the disk has 1 GiB and its image needs 2 GiB",
    )


async def test_an_attempt_that_was_not_the_first_tells_why() -> None:
    history = History()
    number = await history.step("ensure_running", "power on")
    for attempt in (1, 2):
        started = history.add("ACTIVITY_TASK_STARTED").activity_task_started_event_attributes
        started.scheduled_event_id, started.attempt = number, attempt
        started.last_failure.message = "activity Heartbeat timeout"
    assert await history.told() == [
        ("step", "power on"),
        ("trouble", "power on: attempt 2, after: activity Heartbeat timeout"),
    ]


async def test_a_step_that_is_late_or_dropped_is_told() -> None:
    history = History()
    number = await history.step("ensure_running", "power on")
    late = history.add("ACTIVITY_TASK_TIMED_OUT").activity_task_timed_out_event_attributes
    late.scheduled_event_id, late.failure.message = number, "activity ScheduleToStart timeout"
    history.add("ACTIVITY_TASK_CANCELED").activity_task_canceled_event_attributes.scheduled_event_id = number
    assert (await history.told())[1:] == [
        ("trouble", "power on: activity ScheduleToStart timeout"),
        ("step", "dropped, something else is wanted: power on"),
    ]


async def test_requests_and_signals_are_told_with_what_they_are_about() -> None:
    history = History()
    accepted = history.add("WORKFLOW_EXECUTION_UPDATE_ACCEPTED").workflow_execution_update_accepted_event_attributes
    accepted.accepted_request.input.name, accepted.accepted_request.meta.update_id = "stop", "before-backup"
    history.add("WORKFLOW_EXECUTION_SIGNALED").workflow_execution_signaled_event_attributes.signal_name = "delete"
    wake = history.add("WORKFLOW_EXECUTION_SIGNALED").workflow_execution_signaled_event_attributes
    wake.signal_name = "wake"
    wake.input.payloads.extend(await converter.encode(["guest"]))
    assert await history.told() == [
        ("asked", "stop (request before-backup)"),
        ("asked", "delete"),
        ("asked", "wake guest"),
    ]


async def test_a_status_is_told_when_it_changes() -> None:
    history = History()
    await history.published(printableStatus="Starting", message="the guest is booting")
    await history.published(printableStatus="Starting", message="the guest is booting", runStrategy="Always")
    await history.published(printableStatus="Running", message="the guest is up")
    assert await history.told() == [
        ("status", "Starting: the guest is booting"),
        ("status", "Running: the guest is up"),
    ]


def test_a_failure_that_the_server_found_too_long_is_told_all_the_same() -> None:
    plain = Failure(message="the disk is full")
    assert words(plain) == "the disk is full"
    assert words(Failure(message="Failure exceeds size limit.", cause=plain)) == "the disk is full"
    assert words(Failure(message="something else", cause=plain)) == "something else"


async def test_a_deletion_is_told_with_who_asked_for_it() -> None:
    history = History()
    for request in ([], [{"by": "ada", "grace": 5.0}], ["a text"]):
        signal = history.add("WORKFLOW_EXECUTION_SIGNALED").workflow_execution_signaled_event_attributes
        signal.signal_name = "delete"
        signal.input.payloads.extend(await converter.encode(request))
    assert [text for _, text in await history.told()] == ["delete", "delete by ada", "delete"]
