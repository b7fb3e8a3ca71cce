"""Failed steps as holds: what an activity's failure means for the life that met it."""

from datetime import datetime

from temporalio import exceptions
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutType

from activities.problems import ProblemReport
from domain.life import Hold
from domain.status import Reason
from workflows.options import retry_delay


def hold_for(error: FailureError, before: Hold | None, now: datetime) -> Hold:
    """Return the hold a failed step puts on a life; the same trouble again waits longer.

    An activity's failure comes wrapped into an ActivityError, an errand's (a local activity's) as it is; but one that
    timed out comes wrapped when it does, and bare when its history is replayed. Both must make the same hold.
    """
    return timed(_hold(error), before, now)


def worker_died(error: ActivityError) -> bool:
    """Return whether an activity was only lost with its worker: the next one may have nothing to complain of."""
    return isinstance(error.cause, exceptions.TimeoutError) and error.cause.type is TimeoutType.HEARTBEAT


def timed(hold: Hold, before: Hold | None, now: datetime) -> Hold:
    """Return a hold with its attempts counted and the time of the next one, if time alone may help."""
    attempts = before.attempts + 1 if before is not None and before.reason == hold.reason else 1
    delay = retry_delay(hold.model_copy(update={"attempts": attempts}))
    return hold.model_copy(update={"attempts": attempts, "until": None if delay is None else now + delay})


def _hold(error: FailureError) -> Hold:
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ApplicationError) and cause.details:
        report = ProblemReport.model_validate(cause.details[0])
        return Hold(reason=report.reason, message=report.message, field=report.field, verdict=report.verdict)
    if isinstance(cause, exceptions.TimeoutError) and cause.type is TimeoutType.SCHEDULE_TO_START:
        return Hold(
            reason=Reason.HYPERVISOR_NOT_SERVED,
            message="no worker serves the hypervisor; start one, and the step goes on",
        )
    if isinstance(cause, exceptions.TimeoutError):
        return Hold(reason="StepFailed", message="it did not end in time")
    if isinstance(cause, ApplicationError):
        return Hold(reason=cause.type or "StepFailed", message=cause.message)
    told = cause.message if isinstance(cause, FailureError) else str(cause or error)
    step = f"{error.activity_type}: " if isinstance(error, ActivityError) else ""
    return Hold(reason="StepFailed", message=f"{step}{told}")
