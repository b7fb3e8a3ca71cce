"""Everything that takes its time, hastened: a crash is noticed within two seconds and not within ten.

Only times and numbers of attempts are changed. The sandbox passes `workflows.options` through, so workflows see it.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.workflow import ActivityConfig, LocalActivityConfig

import workflows.hypervisor
import workflows.steps
from activities import heartbeats, watch
from workers import hypervisor, lifecycle
from workflows import options

SERVER = {"history.defaultWorkflowTaskTimeout": '"3s"'}
"""Dynamic configuration: when the worker that holds a workflow task is given up."""

_ONCE_A_MOMENT = timedelta(milliseconds=300)
_WATCHED = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_interval=timedelta(milliseconds=200))
_A_FEW_TIMES = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=6)
"""More often than a busy machine is late with its heartbeats."""
_endless, _errand = options.endless, options.errand


def _always_watching(hypervisor: str, summary: str) -> ActivityConfig:
    """The watch is tried again for ever: lives share it, and none may see the end of its patience with another's."""
    return ActivityConfig({**_endless(hypervisor, summary), "retry_policy": _WATCHED})


def _hasty_errand(summary: str) -> LocalActivityConfig:
    tries = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=3)
    return LocalActivityConfig({**_errand(summary), "retry_policy": tries})


HASTE: tuple[tuple[object, str, object], ...] = (
    (options, "HEARTBEAT", timedelta(seconds=2)),
    (options, "NOBODY_SERVES", timedelta(seconds=20)),
    (options, "A_FEW_TIMES", _A_FEW_TIMES),
    (options, "FIRST_RETRY", timedelta(milliseconds=500)),
    (options, "RECONNECT", timedelta(seconds=1)),
    (options, "endless", _always_watching),
    (workflows.hypervisor, "endless", _always_watching),
    (workflows.steps, "errand", _hasty_errand),
    (heartbeats, "INTERVAL", 0.3),
    (watch, "TICK", 0.3),
    (hypervisor, "FRESHNESS", _ONCE_A_MOMENT),
    (lifecycle, "Worker", partial(Worker, sticky_queue_schedule_to_start_timeout=_ONCE_A_MOMENT)),
)
"""(module, name, hasty value)."""


UNBOXED = (lifecycle, "sandbox", UnsandboxedWorkflowRunner)
"""Half the time of a workflow that is taken up anew is its sandbox; workers that are played do without."""


def hurry(change: Callable[[Any, str, Any], None] = setattr, *further: tuple[object, str, object]) -> None:
    """Make this process hasty, by `setattr` or by what undoes it again."""
    for module, name, value in (*HASTE, *further):
        change(module, name, value)
