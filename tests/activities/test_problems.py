"""How trouble travels: a Problem becomes an ApplicationError of its reason's type, and a hold where it arrives."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    RetryState,
    TimeoutError,  # noqa: A004 - Temporal's own
    TimeoutType,
)
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.problems import ProblemInterceptor, ProblemReport
from domain.life import Hold
from domain.problem import Problem, Verdict
from workflows import options
from workflows.trouble import hold_for, timed, worker_died

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Failing(ActivityInboundInterceptor):
    """The innermost interceptor: an activity that raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - SDK's name
        raise self._error


async def raised(error: Exception) -> Exception:
    inbound = ProblemInterceptor().intercept_activity(Failing(error))
    nothing = ExecuteActivityInput(fn=lambda: None, args=[], executor=None, headers={})
    with pytest.raises(Exception) as caught:  # noqa: PT011 - what it is, is the question
        await inbound.execute_activity(nothing)
    assert isinstance(caught.value, Exception)
    return caught.value


def failed(cause: BaseException | None) -> ActivityError:
    error = ActivityError(
        "failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="observe",
        activity_id="1",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(("verdict", "final"), [(Verdict.RETRY, False), (Verdict.WAIT, True), (Verdict.TERMINAL, True)])
async def test_only_trouble_that_passes_is_retried_by_the_server(verdict: Verdict, final: bool) -> None:  # noqa: FBT001 - a case
    error = await raised(Problem("NoSpace", "free some", verdict=verdict, field="images"))
    assert isinstance(error, ApplicationError)
    assert (error.type, error.message, error.non_retryable) == ("NoSpace", "images: free some", final)
    assert error.details == (ProblemReport(reason="NoSpace", message="free some", field="images", verdict=verdict),)


async def test_an_unexpected_exception_is_left_to_the_sdk() -> None:
    unexpected = ZeroDivisionError("division by zero")
    assert await raised(unexpected) is unexpected


async def test_a_problem_arrives_as_it_was_raised() -> None:
    error = await raised(Problem.wait("NoSpace", "free some", field="images"))
    hold = hold_for(failed(error), None, NOW)
    assert hold == Hold(
        reason="NoSpace",
        message="free some",
        field="images",
        verdict=Verdict.WAIT,
        until=NOW + options.LAST_RETRY,
    )


@pytest.mark.parametrize(
    ("cause", "reason", "message"),
    [
        (ApplicationError("division by zero", type="ZeroDivisionError"), "ZeroDivisionError", "division by zero"),
        (ApplicationError("no type"), "StepFailed", "no type"),
        (
            TimeoutError("late", type=TimeoutType.SCHEDULE_TO_START, last_heartbeat_details=[]),
            "HypervisorNotServed",
            "no worker serves the hypervisor; start one, and the step goes on",
        ),
        (
            TimeoutError("silent", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[]),
            "StepFailed",
            "it did not end in time",
        ),
        (CancelledError("stopped"), "StepFailed", "observe: stopped"),
        (None, "StepFailed", "observe: failed"),
    ],
)
def test_every_failure_becomes_a_hold_with_a_reason(cause: BaseException | None, reason: str, message: str) -> None:
    hold = hold_for(failed(cause), None, NOW)
    assert (hold.reason, hold.message, hold.verdict) == (reason, message, Verdict.RETRY)
    assert hold.until == NOW + options.FIRST_RETRY


def test_an_errand_that_timed_out_reads_alike_as_it_happens_and_when_it_is_replayed() -> None:
    late = TimeoutError("late", type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[])
    assert hold_for(failed(late), None, NOW) == hold_for(late, None, NOW)


@pytest.mark.parametrize(
    ("cause", "died"),
    [
        (TimeoutError("silent", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[]), True),
        (TimeoutError("late", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[]), False),
        (ApplicationError("no type"), False),
    ],
)
def test_only_silence_says_that_a_worker_died(cause: BaseException, died: bool) -> None:  # noqa: FBT001 - a case
    assert worker_died(failed(cause)) is died


def test_the_same_trouble_again_waits_longer_up_to_a_limit() -> None:
    hold: Hold | None = None
    delays = []
    for _ in range(12):
        hold = timed(Hold(reason="Same", message=""), hold, NOW)
        assert hold.until
        delays.append(hold.until - NOW)
    assert delays[:3] == [options.FIRST_RETRY * factor for factor in (1, 2, 4)]
    assert delays[-1] == options.LAST_RETRY
    assert timed(Hold(reason="Other", message=""), hold, NOW).attempts == 1


def test_what_only_a_person_can_mend_is_not_tried_by_itself() -> None:
    terminal = timed(Hold(reason="ImageNotFound", message="", verdict=Verdict.TERMINAL), None, NOW)
    assert terminal.until is None
    assert options.reconnect_delay(terminal) == options.RECONNECT


def test_a_hypervisor_is_never_left_alone_for_long() -> None:
    assert options.reconnect_delay(Hold(reason="Same", message="", attempts=1)) == options.FIRST_RETRY
    assert options.reconnect_delay(Hold(reason="Same", message="", attempts=9)) == options.RECONNECT
    assert options.RECONNECT < timedelta(minutes=10) < options.LAST_RETRY
