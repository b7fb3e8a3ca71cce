"""Run strategies: whether a VM should run, and what operations and exits make of that.

Sources: the VirtualServer documentation's table for Always, RerunOnFailure, Manual and Halted; KubeVirt's run
strategies for Once, where that table is silent.
"""

from enum import StrEnum

from domain.guest import StopCause


class RunStrategy(StrEnum):
    """What keeps a VM running or stopped when nobody says anything."""

    ALWAYS = "Always"
    RERUN_ON_FAILURE = "RerunOnFailure"
    MANUAL = "Manual"
    HALTED = "Halted"
    ONCE = "Once"


class Operation(StrEnum):
    """What a person asks of a VM's power."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    SOFT_REBOOT = "softreboot"
    RESET = "reset"


LIVE = frozenset({Operation.PAUSE, Operation.UNPAUSE, Operation.SOFT_REBOOT, Operation.RESET})
"""Operations on the running incarnation. They ignore the run strategy and leave it as it is."""


_ALWAYS, _RERUN, _MANUAL, _HALTED, _ONCE = RunStrategy

TRANSITIONS: dict[tuple[RunStrategy, Operation], RunStrategy] = {
    (_ALWAYS, Operation.STOP): _HALTED,
    (_ALWAYS, Operation.RESTART): _ALWAYS,
    (_RERUN, Operation.START): _RERUN,
    (_RERUN, Operation.STOP): _HALTED,
    (_RERUN, Operation.RESTART): _RERUN,
    (_MANUAL, Operation.START): _MANUAL,
    (_MANUAL, Operation.STOP): _MANUAL,
    (_MANUAL, Operation.RESTART): _MANUAL,
    (_HALTED, Operation.START): _ALWAYS,
    (_ONCE, Operation.STOP): _HALTED,
}
"""(strategy before, operation) → strategy after. A pair that is not here is refused."""


def wanted_at_creation(strategy: RunStrategy) -> bool:
    """Return whether a VM declared with a strategy is to run before anybody asks."""
    return strategy in {RunStrategy.ALWAYS, RunStrategy.RERUN_ON_FAILURE, RunStrategy.ONCE}


def wanted_after_exit(strategy: RunStrategy, cause: StopCause) -> bool:
    """Return whether a VM is to run again after its guest ended without anybody asking."""
    if strategy is RunStrategy.RERUN_ON_FAILURE:
        return cause is not StopCause.GUEST
    return strategy is RunStrategy.ALWAYS


def refusal(strategy: RunStrategy, operation: Operation) -> str:
    """Return why an operation is refused, or an empty string when the table allows it."""
    if (strategy, operation) in TRANSITIONS:
        return ""
    allowed = [each.value for each in Operation if (strategy, each) in TRANSITIONS]
    return f"{operation} does not apply while the run strategy is {strategy}; possible now: {', '.join(allowed)}"
