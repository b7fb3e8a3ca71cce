"""Timeouts and retries, by name. None is written anywhere else."""

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig, LocalActivityConfig

from domain.life import Hold
from domain.problem import Verdict
from manifests.contract import LIFECYCLE_QUEUE, hypervisor_queue

HEARTBEAT = timedelta(seconds=10)
"""A worker that was killed is noticed within this time, and its step starts again elsewhere."""

NOBODY_SERVES = timedelta(seconds=30)
"""How long a step waits for a worker before the VM says that nobody serves its hypervisor."""

A_FEW_TIMES = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.0,
    maximum_attempts=10,
)
"""Passing trouble passes within about ten seconds, or the VM says what holds it up and tries less often.

The interval does not grow: a step whose workers are killed again and again goes on a second after each is missed.
"""


ERRAND_ATTEMPTS = 6
"""Passing trouble with another workflow passes within these, about five seconds; else the VM says what holds it up."""


def step(hypervisor: str, summary: str, patience: float = 0.0) -> ActivityConfig:
    """One driver call. Cancelling waits for its end, so that two steps never work on one guest.

    patience: seconds of grace that a guest gets within it.
    """
    return _near(hypervisor, summary, timedelta(minutes=15) + timedelta(seconds=patience))


def long_import(hypervisor: str, summary: str) -> ActivityConfig:
    """An import may take a day; a dead one is noticed as fast as any step."""
    return _near(hypervisor, summary, timedelta(hours=24))


def endless(hypervisor: str, summary: str) -> ActivityConfig:
    """The watch ends only with trouble."""
    return _near(hypervisor, summary, timedelta(days=365))


def a_round(summary: str) -> ActivityConfig:
    """The same word to many VMs: a few milliseconds for each."""
    return ActivityConfig(
        task_queue=LIFECYCLE_QUEUE,
        start_to_close_timeout=timedelta(minutes=15),
        heartbeat_timeout=HEARTBEAT,
        retry_policy=A_FEW_TIMES,
        summary=summary,
    )


def errand(summary: str) -> LocalActivityConfig:
    """A question to another workflow, asked within the workflow task.

    Its attempts are counted: by time alone the SDK does not end the retries of a local activity, and a life that waits
    for an errand can do nothing else.
    """
    return LocalActivityConfig(
        start_to_close_timeout=timedelta(seconds=5),
        schedule_to_close_timeout=timedelta(seconds=20),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=200),
            maximum_interval=timedelta(seconds=2),
            maximum_attempts=ERRAND_ATTEMPTS,
        ),
        summary=summary,
    )


def _near(hypervisor: str, summary: str, longest: timedelta) -> ActivityConfig:
    return ActivityConfig(
        task_queue=hypervisor_queue(hypervisor),
        start_to_close_timeout=longest,
        schedule_to_start_timeout=NOBODY_SERVES,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=A_FEW_TIMES,
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
    )


FIRST_RETRY = timedelta(seconds=30)
"""How long a step is left alone after its first failure; each further one doubles it."""

LAST_RETRY = timedelta(hours=1)
"""The longest anything is left alone before it is tried again."""

RECONNECT = timedelta(minutes=1)
"""The longest a hypervisor out of reach is left alone: every VM on it waits for its return."""


FIRST_LOOK = timedelta(seconds=1)
"""After what time a namespace that is being deleted looks again whether something is left; doubled while it is."""

LAST_LOOK = timedelta(minutes=1)
"""The longest such a namespace waits until it looks again."""


def retry_delay(hold: Hold) -> timedelta | None:
    """Return after what time a held step is tried again; None: only when woken or asked."""
    if hold.verdict is Verdict.TERMINAL:
        return None
    if hold.verdict is Verdict.WAIT:
        return LAST_RETRY
    doubled: timedelta = FIRST_RETRY * 2 ** min(hold.attempts - 1, 10)
    return min(doubled, LAST_RETRY)


def reconnect_delay(hold: Hold) -> timedelta:
    """Return after what time a hypervisor in trouble is tried again."""
    return min(retry_delay(hold) or RECONNECT, RECONNECT)
