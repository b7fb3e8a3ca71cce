"""Every pair of what is wanted and what is known, true or not, comes to rest; and the last request wins."""

from collections.abc import Callable
from itertools import product

import pytest

from docs.lives import NEVER_MET, destinations, sample
from domain.guest import GuestPlan, Power, StopCause
from domain.image import image_key
from domain.life import Life, Wake
from domain.lifecycle import TABLE, Goal, Situation, Step, goal, next_step, plan, situation
from domain.machine import guest_plan
from domain.names import LONGEST_SUFFIX, SUFFIX, domain_name
from domain.placement import Claim, place
from domain.requests import deleted, objection
from domain.run_strategy import LIVE, TRANSITIONS, Operation, RunStrategy
from tests.domain.examples import NOW, SPEC, UID, asked, edited, newborn
from tests.domain.model_host import Host
from tests.domain.model_world import Vm, World

REPLIES: tuple[Callable[[Vm], None], ...] = (Vm.finish, Vm.drop)
MET = [pair for pair in product(Goal, Situation) if pair not in NEVER_MET]


def host(life: Life, power: Power) -> Host:
    """Return a hypervisor on which a VM has been built, and its guest is like this."""
    built = plan(life)
    there = Host(power=Power.OFF, disk=built.disk, plan=built)
    if power in {Power.RUNNING, Power.PAUSED}:
        there.somebody_starts()
        there.power = power
    elif power is Power.ABSENT:
        there.undefine()
    return there


def living(aim: Goal, where: Situation, power: Power) -> Vm:
    """Return a VM with that goal that believes to be in that situation, while its guest is like this."""
    life = sample(aim, where).but(uid=UID)
    world = World(host=host(life, power) if life.touched else Host())
    if life.granted:
        life = life.but(hypervisor="h1")
        world.ledger, _ = place(world.ledger, Claim(uid=UID, vm="vm", size=life.granted))
    return Vm(life, world)


def settled(vm: Vm, aim: Goal) -> None:
    """Check that a VM comes to rest as it is wanted."""
    step = vm.settle()
    there = vm.world.host
    if aim is Goal.GO:
        assert (step, vm.world.empty) == (Step.END, True)
    else:
        assert step is Step.REST
        assert there.alive if aim is Goal.RUN else there.power is Power.OFF


@pytest.mark.parametrize(("aim", "where"), MET)
def test_every_goal_is_reached_from_every_situation(aim: Goal, where: Situation) -> None:
    settled(living(aim, where, sample(aim, where).observed.power), aim)


@pytest.mark.parametrize(("aim", "where"), MET)
def test_a_step_leads_to_another_situation_or_rest(aim: Goal, where: Situation) -> None:
    if TABLE[aim][where] not in {Step.REST, Step.END}:
        assert destinations(aim, where)


KNOWN = [Situation.ABSENT, Situation.OFF, Situation.RUNNING, Situation.PAUSED]


@pytest.mark.parametrize("hinted", [True, False])
@pytest.mark.parametrize(("aim", "known", "true"), list(product(Goal, KNOWN, Power)))
def test_every_goal_is_reached_whatever_is_believed(aim: Goal, known: Situation, true: Power, *, hinted: bool) -> None:
    vm = living(aim, known, true)
    vm.life = vm.life.but(provisioned=True)
    if hinted:
        vm.wake(Wake.GUEST)
    settled(vm, aim)


@pytest.mark.parametrize(("aim", "where"), sorted(NEVER_MET))
def test_a_pair_that_is_never_met_has_no_life_to_show(aim: Goal, where: Situation) -> None:
    with pytest.raises(ValueError, match=f"no life has the goal {aim} and is {where}"):
        sample(aim, where)


PAIRS = [
    (strategy, first, second)
    for (strategy, first), after in TRANSITIONS.items()
    for second in Operation
    if (after, second) in TRANSITIONS
]


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize(("strategy", "first", "second"), PAIRS)
def test_the_last_request_wins_over_one_that_is_being_met(
    strategy: RunStrategy, first: Operation, second: Operation, reply: Callable[[Vm], None]
) -> None:
    vm = Vm(newborn(strategy).but(wanted=True), World())
    vm.settle()
    vm.life = asked(vm.life, first)
    if next_step(vm.life) is not Step.REST:
        vm.begin()
    vm.life = asked(vm.life, second)
    reply(vm)
    vm.settle()
    assert vm.world.host.alive is (second is not Operation.STOP)


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("wanted", [Operation.STOP, Operation.RESTART, None])
@pytest.mark.parametrize("live", sorted(LIVE))
def test_a_stop_a_restart_and_a_deletion_win_over_a_live_operation_that_is_being_met(
    live: Operation, wanted: Operation | None, reply: Callable[[Vm], None]
) -> None:
    vm = running(paused=live is Operation.UNPAUSE)
    first = vm.world.host.incarnation
    assert objection(vm.life, live) == ""
    vm.life = asked(vm.life, live)
    assert vm.begin() is Step.ORDER
    vm.life = asked(vm.life, wanted) if wanted else deleted(vm.life, NOW)
    reply(vm)
    settled(vm, goal(vm.life))
    assert vm.world.host.incarnation != first
    assert {incarnation for _, _, incarnation in vm.world.host.carried} == {first}


def running(*, paused: bool = False) -> Vm:
    """Return a VM whose guest runs, or is paused."""
    vm = Vm(newborn(), World())
    vm.settle()
    vm.world.host.power = Power.PAUSED if paused else Power.RUNNING
    vm.settle()
    return vm


@pytest.mark.parametrize("operation", [Operation.SOFT_REBOOT, Operation.RESET])
def test_a_reboot_whose_reply_was_lost_is_not_repeated(operation: Operation) -> None:
    vm = running()
    vm.life = asked(vm.life, operation)
    vm.begin()
    vm.repeat()
    vm.drop()
    vm.settle()
    assert [each for each, _, _ in vm.world.host.carried] == [operation]


def test_live_operations_are_carried_out_in_the_order_they_were_asked_for() -> None:
    vm = running()
    wanted = [Operation.RESET, Operation.PAUSE, Operation.UNPAUSE, Operation.SOFT_REBOOT, Operation.PAUSE]
    vm.life = asked(vm.life, *wanted)
    vm.settle()
    assert [each for each, _, _ in vm.world.host.carried] == wanted
    assert vm.world.host.power is Power.PAUSED


def test_a_live_operation_never_reaches_the_next_incarnation() -> None:
    vm = running()
    vm.life = asked(vm.life, Operation.RESET)
    vm.world.host.end(StopCause.CRASHED)
    vm.world.host.somebody_starts()
    vm.begin()
    vm.finish()
    assert (vm.settle(), vm.world.host.carried, vm.life.orders) == (Step.REST, (), ())


# Names


def names(life: Life, *lengths: int) -> frozenset[str]:
    return frozenset(domain_name(life.spec.name, UID, length=length) for length in lengths)


@pytest.mark.parametrize("taken", [(), (5,), (5, 6), tuple(range(SUFFIX, LONGEST_SUFFIX))])
def test_a_domains_name_grows_only_where_it_is_taken(taken: tuple[int, ...]) -> None:
    vm = Vm(newborn(), World())
    vm.world.host.taken = names(vm.life, *taken)
    vm.go_on(waits=0)
    assert vm.life.suffix == SUFFIX + len(taken)
    assert vm.world.host.alive
    assert _plan(vm).name == domain_name("web", UID, length=SUFFIX + len(taken))


def test_a_name_that_is_taken_however_long_it_is_is_no_chance() -> None:
    vm = Vm(newborn(), World())
    vm.world.host.taken = names(vm.life, *range(SUFFIX, LONGEST_SUFFIX + 1))
    vm.go_on(waits=0)
    assert vm.life.hold is not None
    assert (vm.life.hold.reason, vm.life.hold.until) == ("DomainNameTaken", None)


def test_the_name_of_what_was_built_is_kept() -> None:
    vm = running()
    vm.world.host.undefine()
    vm.world.host.taken = names(vm.life, SUFFIX)
    vm.wake(Wake.GUEST)
    vm.go_on(waits=0)
    assert (vm.life.suffix, vm.life.hold and vm.life.hold.reason) == (SUFFIX, "DomainNameTaken")


def test_a_deletion_ends_before_a_long_history_of_edits_is_met() -> None:
    vm = running()
    vm.life = deleted(edited(vm.life, memory=2**40, cpus=1, user_data="#cloud-config\n"), NOW)
    settled(vm, Goal.GO)


def test_the_samples_are_of_the_machine_that_is_planned() -> None:
    """The world of these tests and the documents' samples speak of one image."""
    assert image_key(SPEC.namespace, SPEC.source) == guest_plan(SPEC, UID).image
    assert {situation(sample(aim, where)) for aim, where in MET} == set(Situation)


def _plan(vm: Vm) -> GuestPlan:
    assert vm.world.host.plan is not None
    return vm.world.host.plan
