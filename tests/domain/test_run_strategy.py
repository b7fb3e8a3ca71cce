"""Run strategies: the documentation's table cell by cell, and what a guest's own end means."""

import pytest

from domain.guest import StopCause
from domain.run_strategy import (
    LIVE,
    TRANSITIONS,
    Operation,
    RunStrategy,
    refusal,
    wanted_after_exit,
    wanted_at_creation,
)

DOCUMENTED = """
Always         | -              | Halted | Always
RerunOnFailure | RerunOnFailure | Halted | RerunOnFailure
Manual         | Manual         | Manual | Manual
Halted         | Always         | -      | -
Once           | -              | Halted | -
"""
"""Columns: run strategy before | start | stop | restart. The last row is KubeVirt's, the others VirtualServer's."""

SWITCHES = (Operation.START, Operation.STOP, Operation.RESTART)

CELLS = [
    (RunStrategy(before), operation, after)
    for before, *row in ([cell.strip() for cell in line.split("|")] for line in DOCUMENTED.strip().splitlines())
    for operation, after in zip(SWITCHES, row, strict=True)
]


@pytest.mark.parametrize(("before", "operation", "after"), [cell for cell in CELLS if cell[2] != "-"])
def test_an_operation_leads_to_the_documented_strategy(before: RunStrategy, operation: Operation, after: str) -> None:
    assert TRANSITIONS[before, operation] == after
    assert refusal(before, operation) == ""


@pytest.mark.parametrize(("before", "operation"), [cell[:2] for cell in CELLS if cell[2] == "-"])
def test_what_the_table_strikes_out_is_refused(before: RunStrategy, operation: Operation) -> None:
    assert (before, operation) not in TRANSITIONS
    assert refusal(before, operation)


def test_the_table_speaks_of_every_strategy_and_of_every_operation_that_is_not_live() -> None:
    switches = set(Operation) - LIVE
    assert {cell[:2] for cell in CELLS} == {(before, operation) for before in RunStrategy for operation in switches}


def test_live_operations_lead_nowhere() -> None:
    assert {operation.value for operation in LIVE} == {"pause", "unpause", "softreboot", "reset"}
    assert not {operation for _, operation in TRANSITIONS} & LIVE


@pytest.mark.parametrize(
    ("before", "operation", "possible"),
    [
        (RunStrategy.ALWAYS, Operation.START, "stop, restart"),
        (RunStrategy.HALTED, Operation.STOP, "start"),
        (RunStrategy.HALTED, Operation.RESTART, "start"),
        (RunStrategy.ONCE, Operation.START, "stop"),
        (RunStrategy.ONCE, Operation.RESTART, "stop"),
    ],
)
def test_a_refusal_names_what_is_possible(before: RunStrategy, operation: Operation, possible: str) -> None:
    expected = f"{operation} does not apply while the run strategy is {before}; possible now: {possible}"
    assert refusal(before, operation) == expected


@pytest.mark.parametrize(
    ("strategy", "runs"),
    [
        (RunStrategy.ALWAYS, True),
        (RunStrategy.RERUN_ON_FAILURE, True),
        (RunStrategy.ONCE, True),
        (RunStrategy.MANUAL, False),
        (RunStrategy.HALTED, False),
    ],
)
def test_a_strategy_decides_whether_a_new_vm_runs(strategy: RunStrategy, *, runs: bool) -> None:
    assert wanted_at_creation(strategy) is runs


FAILURES = set(StopCause) - {StopCause.GUEST}
"""Whatever is not the guest's own wish: panic, a dead process, a kill from outside, a host that went down."""


@pytest.mark.parametrize("cause", StopCause)
@pytest.mark.parametrize(
    ("strategy", "restarted_after"),
    [
        (RunStrategy.ALWAYS, set(StopCause)),
        (RunStrategy.RERUN_ON_FAILURE, FAILURES),
        (RunStrategy.MANUAL, set()),
        (RunStrategy.HALTED, set()),
        (RunStrategy.ONCE, set()),
    ],
)
def test_a_strategy_decides_what_follows_a_guests_own_end(
    strategy: RunStrategy,
    restarted_after: set[StopCause],
    cause: StopCause,
) -> None:
    assert wanted_after_exit(strategy, cause) is (cause in restarted_after)
