"""Problems on their way to Temporal: mapped once, for every activity."""

from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.model import Value
from domain.problem import Problem, Verdict


class ProblemReport(Value):
    """A problem as it travels in an activity's failure details."""

    reason: str
    message: str
    field: str
    verdict: Verdict


class ProblemInterceptor(Interceptor):
    """Turns a Problem into an ApplicationError of the reason's type; only RETRY problems are retried by the server."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - SDK's name
        """Wrap the activity."""
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - SDK's signature
        try:
            return await super().execute_activity(input)
        except Problem as problem:
            report = ProblemReport(
                reason=problem.reason,
                message=problem.message,
                field=problem.field,
                verdict=problem.verdict,
            )
            raise ApplicationError(
                str(problem),
                report,
                type=problem.reason,
                non_retryable=problem.verdict is not Verdict.RETRY,
            ) from problem
