"""Signals as any Temporal client may send them: one that its handler cannot take is dropped, not retried for ever.

A handler that is called with too few or too many arguments raises, and a workflow task that raises is tried again
without end: the object could neither be operated nor deleted. Arguments of a wrong type are dropped by the SDK itself.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from temporalio import workflow
from temporalio.worker import (
    HandleSignalInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)


class SignalInterceptor(Interceptor):
    """Drops signals whose arguments do not fit their handler."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002, ARG002 - SDK's signature
        """Return what wraps the handlers of each workflow."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - SDK's name
        handler = workflow.get_signal_handler(input.signal)
        if handler is not None and not _fits(handler, input.args):
            workflow.logger.warning("a signal was dropped, its arguments do not fit", extra={"signal": input.signal})
            return
        await super().handle_signal(input)


def _fits(handler: Callable[..., Any], arguments: Sequence[Any]) -> bool:
    try:
        inspect.signature(handler).bind(*arguments)
    except TypeError:
        return False
    return True
