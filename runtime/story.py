"""A VM's story, told from its history: what was asked, what was done, what came of it."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from temporalio.api.enums.v1 import EventType, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from domain.model import Value
from manifests.contract import OBJECT_MEMO, Signal
from runtime.payloads import said

_TOO_LONG = "Failure exceeds size limit."

REASONS = {"asked": "Requested", "step": "StepStarted", "done": "StepDone", "trouble": "StepFailed"}
"""What Kubernetes' Events call the kinds of lines. One of kind `status` is called as the status it tells."""


class Line(Value):
    """One line of the story. kind: `asked`, `step`, `done`, `trouble` or `status`; event: its number in the run."""

    at: datetime
    kind: str
    text: str
    event: int = 0


async def runs(client: Client, workflow: str, run: str) -> list[WorkflowHandle[Any, Any]]:
    """Return the runs of a life that ends in this run, oldest first, as far back as the server keeps them."""
    lived: list[WorkflowHandle[Any, Any]] = []
    while run:
        handle = client.get_workflow_handle(workflow, run_id=run)
        try:
            first = await anext(handle.fetch_history_events(page_size=1))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            break
        lived.insert(0, handle)
        run = first.workflow_execution_started_event_attributes.continued_execution_run_id
    return lived


async def tell(lived: Sequence[WorkflowHandle[Any, Any]], converter: DataConverter) -> AsyncIterator[Line]:
    """Yield the story of a life's runs, oldest first."""
    teller = _Teller(converter)
    for handle in lived:
        async for event in handle.fetch_history_events():
            line = await teller.line(event)
            if line is not None:
                yield line


class _Teller:
    """Remembers which activity an outcome belongs to, and the last published status."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter
        self._steps: dict[int, str] = {}
        self._status = ""
        self._begun = False

    async def line(self, event: HistoryEvent) -> Line | None:
        told = await self._told(event)
        if told is None:
            return None
        return Line(at=event.event_time.ToDatetime(), kind=told[0], text=told[1], event=event.event_id)

    async def _told(self, event: HistoryEvent) -> tuple[str, str] | None:  # noqa: PLR0911 - one row an event type
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                return self._started(event)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                return "status", "history was long; the life goes on in a new run"
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                return await self._signal(event)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                return await self._accepted(event)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                return await self._scheduled(event)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                return self._repeated(event)
            case EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED:
                return await self._published(event)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                return "status", "gone"
            case _:
                return self._outcome(event)

    def _started(self, event: HistoryEvent) -> tuple[str, str] | None:
        """Tell how the story begins; the run before has told already that the life goes on."""
        first, self._begun = not self._begun, True
        earlier = event.workflow_execution_started_event_attributes.continued_execution_run_id
        if not earlier:
            return "asked", "declared"
        return ("status", f"the life goes on from run {earlier}") if first else None

    async def _accepted(self, event: HistoryEvent) -> tuple[str, str]:
        """Tell what was asked, by whom, and under which id."""
        accepted = event.workflow_execution_update_accepted_event_attributes.accepted_request
        arguments = await said(self._converter, accepted.input.args.payloads)
        asked = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
        forced = ", forced" if asked.get("force") else ""
        by = f" by {asked['by']}" if asked.get("by") else ""
        return "asked", f"{accepted.input.name}{forced}{by} (request {accepted.meta.update_id})"

    def _outcome(self, event: HistoryEvent) -> tuple[str, str] | None:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                return "done", self._steps[event.activity_task_completed_event_attributes.scheduled_event_id]
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                why = failed.failure.application_failure_info.type
                return "trouble", f"{self._steps[failed.scheduled_event_id]}: {why}: {failed.failure.message}"
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                late = event.activity_task_timed_out_event_attributes
                return "trouble", f"{self._steps[late.scheduled_event_id]}: {late.failure.message}"
            case EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
                dropped = event.activity_task_canceled_event_attributes
                return "step", f"dropped, something else is wanted: {self._steps[dropped.scheduled_event_id]}"
            case _:
                return _decision(event)

    async def _signal(self, event: HistoryEvent) -> tuple[str, str]:
        signal = event.workflow_execution_signaled_event_attributes
        about = await said(self._converter, signal.input.payloads)
        if signal.signal_name == Signal.DELETE:
            by = about[0].get("by") if about and isinstance(about[0], dict) else ""
            return "asked", f"delete by {by}" if by else "delete"
        return "asked", " ".join([signal.signal_name, *map(str, about)])

    async def _scheduled(self, event: HistoryEvent) -> tuple[str, str]:
        name = event.activity_task_scheduled_event_attributes.activity_type.name
        summary = name
        if event.user_metadata.HasField("summary"):
            (summary,) = await said(self._converter, [event.user_metadata.summary])
        self._steps[event.event_id] = summary
        return "step", summary

    def _repeated(self, event: HistoryEvent) -> tuple[str, str] | None:
        """Tell of an attempt that was not the first, and why the one before it was not the last."""
        started = event.activity_task_started_event_attributes
        if started.attempt == 1:
            return None
        step = self._steps[started.scheduled_event_id]
        return "trouble", f"{step}: attempt {started.attempt}, after: {words(started.last_failure)}"

    async def _published(self, event: HistoryEvent) -> tuple[str, str] | None:
        fields = event.workflow_properties_modified_event_attributes.upserted_memo.fields
        (document,) = await said(self._converter, [fields[OBJECT_MEMO]])
        if not isinstance(document, dict):
            return None
        status = document.get("status", {})
        told = f"{status.get('printableStatus')}: {status.get('message')}"
        if told == self._status:
            return None
        self._status = told
        return "status", told


def _decision(event: HistoryEvent) -> tuple[str, str] | None:
    """Tell of a workflow task that came to nothing, unless that is how Temporal works on a good day.

    Good days: new events arrived while it was worked on, or the worker that had it in its cache is gone.
    """
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failed = event.workflow_task_failed_event_attributes
            if failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND:
                return None
            return "trouble", f"the worker cannot go on with this history: {failed.failure.message}"
        case EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
            late = event.workflow_task_timed_out_event_attributes
            if late.timeout_type != TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE:
                return None
            return "trouble", "the worker was lost in the middle of a decision; the next one takes it"
        case _:
            return None


def words(failure: Failure) -> str:
    """Return what a failure says. The server puts one that is long into another, which says no more than that."""
    return failure.cause.message if failure.message == _TOO_LONG and failure.HasField("cause") else failure.message
