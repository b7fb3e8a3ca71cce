"""Every life comes to rest where it is wanted, whatever people, guests, hosts and luck do meanwhile.

Hypothesis lives random lives: requests, edits, guest events, wakes, steps that succeed, are done twice, lose their
reply or are dropped. After each happening the life must be able to come to rest by its table, in a bounded number of
steps.
"""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.guest import Power, StopCause
from domain.hypervisor import Capacity
from domain.life import Wake
from domain.lifecycle import Goal, Step, goal, held, next_step, restart_required, room
from domain.machine import guest_plan
from domain.names import domain_name
from domain.requests import Request, asked_for, declared, deleted, objection
from domain.run_strategy import LIVE, TRANSITIONS, Operation, RunStrategy
from tests.domain.examples import GIB, SPEC, UID, newborn
from tests.domain.intent import Intent
from tests.domain.model_host import Host
from tests.domain.model_world import ROOM, Vm, World

BUILDING = {Step.SURVEY, Step.PLACE, Step.IMPORT, Step.DEFINE, Step.RUN, Step.RECLAIM, Step.ORDER, Step.FIT}

Reply = Callable[[Vm], None]
REPLIES: tuple[Reply, ...] = (Vm.finish, Vm.drop)

edits = st.fixed_dictionaries(
    {},
    optional={
        "cpus": st.sampled_from([1, 2, 4]),
        "memory": st.sampled_from([2 * GIB, 4 * GIB, 8 * GIB]),
        "max_cpus": st.sampled_from([0, 4]),
        "max_memory": st.sampled_from([0, 8 * GIB]),
        "tcp": st.sampled_from([(), (80,), (443, 80)]),
        "user_data": st.sampled_from(["", "#cloud-config\n"]),
    },
)


class Lives(RuleBasedStateMachine):
    """One VM's life, and what it must come to as far as that can be told from outside."""

    @initialize(
        strategy=st.sampled_from([RunStrategy.ALWAYS, *RunStrategy, RunStrategy.MANUAL]),
        start=st.sampled_from([True, True, False]),
        taken=st.booleans(),
        steps=st.sampled_from([9, 9, 9, 9, 4, 3, 0]),
    )
    def declare(self, strategy: RunStrategy, *, start: bool, taken: bool, steps: int) -> None:
        names = frozenset({domain_name(SPEC.name, UID), domain_name(SPEC.name, UID, length=6)} if taken else ())
        self.vm = Vm(newborn(strategy), World(host=Host(taken=names)))
        self.intent = Intent(strategy)
        if start:
            self.people_ask(Operation.START, force=False)
        for _ in range(steps):
            self.a_step_is_performed(Vm.finish, Vm.finish, repeated=False)

    @rule(operation=st.sampled_from(Operation), force=st.booleans())
    def people_ask(self, operation: Operation, *, force: bool) -> None:
        life = self.vm.life
        refused = bool(objection(life, operation, force=force))
        if operation not in LIVE:
            harder = operation is Operation.STOP and force and life.observed.alive
            possible = (self.intent.strategy, operation) in TRANSITIONS or harder
            assert refused is (bool(life.deleting) or not possible)
        if refused:
            return
        request = Request(id=f"r{self.intent.requests}", force=force)
        self.vm.life = asked_for(life, operation, request, self.vm.world.now)
        self.intent.ask(operation, life.observed.incarnation, request.id, knows=self._knows())
        assert self.vm.life.strategy is self.intent.strategy

    @rule(changes=edits, disk=st.sampled_from([0, GIB]))
    def people_edit(self, changes: dict[str, object], disk: int) -> None:
        life = self.vm.life
        if not life.deleting:
            spec = life.spec.model_copy(update={**changes, "disk": life.spec.disk + disk})
            request = Request(id=f"r{self.intent.requests}")
            self.vm.life = declared(life, spec, request, self.vm.world.now)
            self.intent.requests += 1

    @rule(doubt=st.integers(0, 7))
    def people_delete(self, doubt: int) -> None:
        """Rarely, since little can happen to a life after that; an invariant deletes every life."""
        if not doubt:
            self.vm.life = deleted(self.vm.life, self.vm.world.now)

    @precondition(lambda self: self.vm.world.host.alive)
    @rule(cause=st.sampled_from(StopCause), undefined=st.sampled_from([False, False, True]))
    def the_guest_ends(self, cause: StopCause, *, undefined: bool) -> None:
        """It shuts down, panics, is killed or destroyed, or the host loses power; or somebody undefines it as well."""
        self.intent.end(self.vm.world.host.incarnation, cause, knows=self._knows())
        self.vm.world.host.end(cause)
        if undefined:
            self.the_domain_is_undefined()

    @precondition(lambda self: self.vm.world.host.power is Power.OFF)
    @rule()
    def the_domain_is_undefined(self) -> None:
        self.intent.forget(knows=self._knows())
        self.vm.world.host.undefine()

    @precondition(lambda self: self.vm.world.host.power is not Power.ABSENT)
    @rule(power=st.sampled_from([Power.RUNNING, Power.PAUSED]))
    def somebody_acts_behind_our_back(self, power: Power) -> None:
        """Start it, pause it, or let it go on."""
        host = self.vm.world.host
        if host.alive:
            host.power = power
        else:
            host.somebody_starts()
        self.intent.meddle(knows=self._knows())

    @rule(cached=st.booleans(), ready=st.booleans(), stubborn=st.booleans(), large=st.booleans())
    def the_world_changes(self, *, cached: bool, ready: bool, stubborn: bool, large: bool) -> None:
        self.vm.world.host.cached, self.vm.world.host.stubborn = cached, stubborn
        self.vm.world.open(ready=ready, size=ROOM if large else Capacity(cpus=2, memory=4 * GIB))

    @rule(reachable=st.booleans())
    def the_host_is_lost_or_returns(self, *, reachable: bool) -> None:
        self.vm.world.host.reachable = reachable
        self.vm.wake(Wake.GUEST if reachable else Wake.LOST)

    @rule(wake=st.sampled_from(Wake))
    def a_wake_comes(self, wake: Wake) -> None:
        self.vm.wake(wake)

    @rule(seconds=st.sampled_from([1, 30, 700]))
    def time_passes(self, seconds: int) -> None:
        self.vm.world.now += timedelta(seconds=seconds)

    @rule(before=st.sampled_from(REPLIES), after=st.sampled_from([*REPLIES, None]), repeated=st.booleans())
    def a_step_is_performed(self, before: Reply, after: Reply | None, *, repeated: bool) -> None:
        """Its reply arrives, is lost, or is late: then it comes, or is lost, before the next step begins."""
        if repeated:
            self.vm.repeat()
        before(self.vm)
        if next_step(self.vm.life) in {Step.REST, Step.END} or held(self.vm.life, self.vm.world.now):
            return
        step = self.vm.begin()
        assert not (self.vm.life.deleting and step in BUILDING)
        if after:
            after(self.vm)

    @rule(waits=st.integers(0, 2))
    def life_goes_on(self, waits: int) -> None:
        self.vm.go_on(waits=waits)

    @rule()
    def everything_is_mended(self) -> None:
        if not self.vm.life.deleting:
            self.vm.settle()

    def _knows(self) -> bool:
        """Return whether the life knows its guest: nothing is on its way, and nothing has happened since it looked."""
        return self.vm.flight is None and self.vm.life.observed == self.vm.world.host.seen()

    @invariant()
    def comes_to_rest_as_wanted(self) -> None:
        for reply in REPLIES:
            vm = self.vm.twin()
            reply(vm)
            step = vm.settle()
            self._check_orders(vm)
            if not vm.life.deleting:
                assert step is Step.REST
                self._check(vm)
                _check_edits(vm)

    @invariant()
    def ends_with_nothing_left_when_it_is_deleted(self) -> None:
        for reply in REPLIES:
            vm = self.vm.twin()
            vm.life = deleted(vm.life, vm.world.now)
            reply(vm)
            assert (vm.settle(), vm.world.empty) == (Step.END, True)

    @invariant()
    def neither_spins_nor_takes_more_than_it_was_granted_in_the_world_as_it_is(self) -> None:
        vm = self.vm.twin()
        vm.go_on(waits=5)
        shape = vm.world.host.shape
        if shape is not None and vm.life.observed == vm.world.host.seen() and not self.intent.meddled:
            held_room = vm.world.ledger.placed[UID].claim.size
            assert (shape.cpus <= held_room.cpus, shape.memory <= held_room.memory) == (True, True)

    @invariant()
    def knows_what_it_was_asked(self) -> None:
        life = self.vm.life
        again = [Request(id=request) for request in life.requests]
        now = self.vm.world.now
        assert all(asked_for(life, operation, each, now) is life for each in again for operation in Operation)
        assert all(declared(life, SPEC, each, now) is life for each in again)

    def _check(self, vm: Vm) -> None:
        host, life, wanted = vm.world.host, vm.life, goal(vm.life)
        assert host.alive if wanted is Goal.RUN else host.power is Power.OFF
        assert (life.observed, life.orders, life.adrift) == (host.seen(), (), False)
        assert self.intent.allows(running=wanted is Goal.RUN, incarnation=host.incarnation)
        if host.alive and self.intent.paused is not None:
            assert life.observed.paused is self.intent.paused

    def _check_orders(self, vm: Vm) -> None:
        host = vm.world.host
        assert len(set(host.numbers)) == len(host.numbers), "powered on twice for one number"
        assert host.ordered <= self.intent.power_ons, "powered on although nobody wanted it"
        assert self.intent.carried_out_well(host.carried)


def _check_edits(vm: Vm) -> None:
    """Check that a VM has the room it needs, is what is declared, and says what is still missing; and no more."""
    life, host = vm.life, vm.world.host
    assert life.granted == room(life)
    assert not life.cramped
    assert vm.world.ledger.placed[UID].claim.size == life.granted
    if not host.alive:
        assert not restart_required(life)
        return
    plan = guest_plan(life.spec, UID, suffix=life.suffix)
    as_declared = (host.shape, life.observed.build) == (plan.shape, plan.build)
    if host.power is Power.RUNNING:
        assert restart_required(life) is not as_declared
    elif restart_required(life):
        assert not as_declared
    if restart_required(life):
        vm.life = asked_for(life, Operation.STOP, Request(id="stop"), vm.world.now)
        vm.settle()
        vm.life = asked_for(vm.life, Operation.START, Request(id="start"), vm.world.now)
        vm.settle()
        assert not restart_required(vm.life)
        assert host.shape == plan.shape


Lives.TestCase.settings = settings(max_examples=250, stateful_step_count=30, deadline=None)
TestLives = Lives.TestCase
