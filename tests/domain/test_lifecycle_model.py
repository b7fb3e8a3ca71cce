"""Every life comes to rest where it is wanted, whatever people, guests and luck do meanwhile.

Hypothesis lives random lives: requests, guest events, wakes, steps that succeed, lose their reply or are dropped. After
each happening the life must be able to come to rest by its table, in a bounded number of steps.
"""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.guest import Power, StopCause
from domain.life import Wake, asked_for, deleted, woken
from domain.lifecycle import Goal, Step, goal, held, next_step
from domain.run_strategy import TRANSITIONS, Operation, RunStrategy, refusal
from tests.domain.examples import NOW, UID, newborn
from tests.domain.model_world import Vm, World

BUILDING = {Step.SURVEY, Step.PLACE, Step.IMPORT, Step.DEFINE, Step.RUN}

Reply = Callable[[Vm], None]
REPLIES: tuple[Reply, ...] = (Vm.finish, Vm.drop)

RUNS = {Operation.START: True, Operation.RESTART: True, Operation.STOP: False}


class Lives(RuleBasedStateMachine):
    """One VM's life.

    asked:  the last operation, while nothing has happened since that may overrule it.
    doomed: the incarnation a restart was to end, unless that was taken back.
    """

    @initialize(
        strategy=st.sampled_from([*RunStrategy, RunStrategy.MANUAL, RunStrategy.MANUAL]),
        start=st.booleans(),
        steps=st.integers(0, 4),
    )
    def declare(self, strategy: RunStrategy, *, start: bool, steps: int) -> None:
        self.vm = Vm(newborn(strategy), World())
        self.requests = 0
        self.asked: Operation | None = None
        self.doomed = ""
        if start:
            self.people_ask(Operation.START, force=False)
        for _ in range(steps):
            self.vm.begin()
            self.vm.finish()

    @rule(operation=st.sampled_from(Operation), force=st.booleans())
    def people_ask(self, operation: Operation, *, force: bool) -> None:
        life = self.vm.life
        harder = operation is Operation.STOP and force and life.observed.alive
        if life.deleting or (refusal(life.strategy, operation) and not harder):
            return
        self.requests += 1
        self.vm.life = asked_for(life, operation, f"r{self.requests}", force=force)
        self.asked = operation if self.vm.ends == self.vm.world.ends else None
        known = life.observed.incarnation == self.vm.world.incarnation
        self.doomed = life.observed.incarnation if operation is Operation.RESTART and known else ""

    @rule(doubt=st.integers(0, 7))
    def people_delete(self, doubt: int) -> None:
        """Rarely, since little can happen to a life after that; an invariant deletes every life."""
        if not doubt:
            self.vm.life = deleted(self.vm.life, NOW)

    @rule(cause=st.sampled_from(StopCause))
    def the_guest_ends(self, cause: StopCause) -> None:
        if self.vm.world.alive:
            self.vm.world.end(cause)
            self._overrule()

    @rule(power=st.sampled_from(Power))
    def somebody_acts_behind_our_back(self, power: Power) -> None:
        """Undefine, destroy, start or pause it."""
        world = self.vm.world
        if world.power is Power.ABSENT:
            return
        if power is Power.PAUSED and world.alive:
            world.power = power
        elif power is Power.RUNNING and not world.alive:
            world.power_on()
            self._overrule()
        elif power in {Power.ABSENT, Power.OFF}:
            world.end(StopCause.HOST, power)
            self._overrule()

    @rule(cached=st.booleans(), ready=st.booleans(), stubborn=st.booleans())
    def the_world_changes(self, *, cached: bool, ready: bool, stubborn: bool) -> None:
        self.vm.world.cached, self.vm.world.stubborn = cached, stubborn
        self.vm.world.open(ready=ready)

    @rule(wake=st.sampled_from(Wake))
    def a_wake_comes(self, wake: Wake) -> None:
        self.vm.life = woken(self.vm.life, wake)

    @rule(before=st.sampled_from(REPLIES), after=st.sampled_from([*REPLIES, None]))
    def a_step_is_performed(self, before: Reply, after: Reply | None) -> None:
        """Its reply arrives, is lost, or is late: then it comes, or is lost, before the next step begins."""
        before(self.vm)
        if next_step(self.vm.life) in {Step.REST, Step.END} or held(self.vm.life, NOW):
            return
        step = self.vm.begin()
        assert not (self.vm.life.deleting and step in BUILDING)
        if after:
            after(self.vm)

    def _overrule(self) -> None:
        self.vm.world.ends += 1
        self.asked = None

    @invariant()
    def comes_to_rest_as_wanted(self) -> None:
        for reply in REPLIES:
            vm = self.vm.twin()
            reply(vm)
            step = vm.settle()
            if not vm.life.deleting:
                assert step is Step.REST
                self._check(vm)

    @invariant()
    def ends_with_nothing_left_when_it_is_deleted(self) -> None:
        for reply in REPLIES:
            vm = self.vm.twin()
            vm.life = deleted(vm.life, NOW)
            reply(vm)
            assert (vm.settle(), vm.world.empty) == (Step.END, True)

    @invariant()
    def knows_what_it_was_asked(self) -> None:
        life = self.vm.life
        for request in life.requests:
            assert all(asked_for(life, operation, request) is life for operation in Operation)

    def _check(self, vm: Vm) -> None:
        world, wanted = vm.world, goal(vm.life)
        assert world.alive if wanted is Goal.RUN else world.power is Power.OFF
        assert vm.life.observed == world.seen()
        assert list(world.ledger.placed) == [UID]
        assert not self.doomed or world.incarnation != self.doomed
        if self.asked:
            assert (wanted is Goal.RUN) is RUNS[self.asked]


Lives.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestLives = Lives.TestCase


PAIRS = [
    (strategy, first, second)
    for (strategy, first), after in TRANSITIONS.items()
    for second in Operation
    if (after, second) in TRANSITIONS
]


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize(("strategy", "first", "second"), PAIRS)
def test_the_last_request_wins_over_one_that_is_being_met(
    strategy: RunStrategy,
    first: Operation,
    second: Operation,
    reply: Reply,
) -> None:
    vm = Vm(newborn(strategy).but(wanted=True), World())
    vm.settle()
    vm.life = asked_for(vm.life, first, "r1")
    if next_step(vm.life) is not Step.REST:
        vm.begin()
    vm.life = asked_for(vm.life, second, "r2")
    reply(vm)
    vm.settle()
    assert vm.world.alive is RUNS[second]
