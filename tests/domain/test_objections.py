"""What is refused, and why: the documentation's table for the power switch, the running guest for live operations."""

import pytest

from domain.guest import Observation, absent
from domain.life import Life
from domain.requests import WAITING_ORDERS, Request, asked_for, deleted, objection
from domain.run_strategy import LIVE, TRANSITIONS, Operation, RunStrategy, refusal
from tests.domain.examples import NOW, UID, asked, at_host, newborn, off, paused, running

SWITCHES = [each for each in Operation if each not in LIVE]
CELLS = [(strategy, operation) for strategy in RunStrategy for operation in SWITCHES]
STRUCK_OUT = [cell for cell in CELLS if cell not in TRANSITIONS]
REBOOTS = [Operation.SOFT_REBOOT, Operation.RESET]

UP, FROZEN, DOWN = at_host(running()), at_host(paused()), at_host(off(), RunStrategy.MANUAL)


@pytest.mark.parametrize("seen", [off(), running()], ids=["off", "running"])
@pytest.mark.parametrize(("strategy", "operation"), CELLS)
def test_the_table_decides_on_the_power_switch_whatever_the_guest_does(
    strategy: RunStrategy, operation: Operation, seen: Observation
) -> None:
    assert objection(at_host(seen, strategy), operation) == refusal(strategy, operation)


@pytest.mark.parametrize(("strategy", "operation"), [cell for cell in STRUCK_OUT if cell[1] is not Operation.STOP])
def test_force_does_not_help_against_the_table(strategy: RunStrategy, operation: Operation) -> None:
    assert objection(at_host(running(), strategy), operation, force=True) == refusal(strategy, operation)


def test_a_forced_stop_of_a_guest_that_ignores_an_earlier_one_is_always_possible() -> None:
    stopping = asked(UP, Operation.STOP)
    assert "possible now: start" in objection(stopping, Operation.STOP)
    assert objection(stopping, Operation.STOP, force=True) == ""


def test_a_forced_stop_of_what_is_off_is_refused() -> None:
    assert objection(at_host(off(), RunStrategy.HALTED), Operation.STOP, force=True)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("force", [False, True])
def test_everything_is_too_late_for_a_vm_that_is_being_deleted(operation: Operation, *, force: bool) -> None:
    expected = f"{operation} is too late: the VM is being deleted"
    assert objection(deleted(UP, NOW), operation, force=force) == expected


@pytest.mark.parametrize("operation", sorted(LIVE))
@pytest.mark.parametrize("life", [newborn(), at_host(absent(UID)), DOWN], ids=["new", "absent", "off"])
def test_a_live_operation_needs_a_guest_that_runs(life: Life, operation: Operation) -> None:
    assert objection(life, operation) == f"{operation} needs a running guest, and the guest does not run"


@pytest.mark.parametrize("operation", sorted(LIVE))
@pytest.mark.parametrize("ending", [Operation.STOP, Operation.RESTART])
@pytest.mark.parametrize("life", [UP, FROZEN], ids=["running", "paused"])
def test_a_live_operation_on_a_guest_that_is_to_end_is_too_late(
    life: Life, ending: Operation, operation: Operation
) -> None:
    assert objection(asked(life, ending), operation) == f"{operation} is too late: the guest is being stopped"


@pytest.mark.parametrize("strategy", sorted(set(RunStrategy) - {RunStrategy.HALTED}))
@pytest.mark.parametrize(
    ("seen", "operation"),
    [(running(), Operation.PAUSE), (paused(), Operation.UNPAUSE), *((running(), each) for each in REBOOTS)],
)
def test_live_operations_ignore_the_run_strategy_and_leave_it(
    strategy: RunStrategy, seen: Observation, operation: Operation
) -> None:
    life = at_host(seen, strategy)
    assert objection(life, operation) == ""
    after = asked(life, operation)
    assert (after.strategy, after.wanted, after.start) == (life.strategy, life.wanted, life.start)


def test_what_runs_cannot_go_on() -> None:
    assert objection(UP, Operation.UNPAUSE) == "unpause needs a paused guest, and the guest is not paused"


@pytest.mark.parametrize("operation", [Operation.PAUSE, *REBOOTS])
def test_what_is_paused_must_go_on_first(operation: Operation) -> None:
    expected = f"{operation} needs a guest that runs, and the guest is paused; unpause it first"
    assert objection(FROZEN, operation) == expected


@pytest.mark.parametrize(
    ("life", "waiting", "operation", "possible"),
    [
        (UP, [Operation.PAUSE], Operation.UNPAUSE, True),
        (UP, [Operation.PAUSE], Operation.RESET, False),
        (UP, [Operation.RESET], Operation.PAUSE, True),
        (UP, [Operation.RESET], Operation.UNPAUSE, False),
        (UP, [Operation.PAUSE, Operation.UNPAUSE, Operation.RESET], Operation.PAUSE, True),
        (FROZEN, [Operation.UNPAUSE], Operation.SOFT_REBOOT, True),
        (FROZEN, [Operation.UNPAUSE, Operation.PAUSE], Operation.PAUSE, False),
    ],
)
def test_what_waits_for_its_turn_is_taken_for_done(
    life: Life, waiting: list[Operation], operation: Operation, *, possible: bool
) -> None:
    assert (objection(asked(life, *waiting), operation) == "") is possible


def test_only_so_many_operations_wait_for_their_turn() -> None:
    life = asked(UP, *[Operation.RESET] * (WAITING_ORDERS - 1))
    assert objection(life, Operation.RESET) == ""
    full = asked(life, Operation.RESET)
    assert objection(full, Operation.RESET) == f"reset is too early: {WAITING_ORDERS} operations wait for their turn"


def test_a_live_operation_waits_for_the_incarnation_it_was_asked_of() -> None:
    life = asked_for(at_host(running("i7")), Operation.RESET, Request(id="one"), NOW)
    assert [(each.operation, each.incarnation, each.request) for each in life.orders] == [
        (Operation.RESET, "i7", "one")
    ]


@pytest.mark.parametrize(
    ("operation", "kept"), [(Operation.START, True), (Operation.STOP, False), (Operation.RESTART, False)]
)
def test_what_waits_for_its_turn_is_dropped_when_the_guest_is_to_end(operation: Operation, *, kept: bool) -> None:
    life = asked(at_host(running(), RunStrategy.MANUAL), Operation.RESET, operation)
    assert bool(life.orders) is kept
