"""The contract of sizes: what a guest has, what it can be given while it runs, and what waits for a power-on."""

from typing import Any

from domain.guest import GuestPlan, Observation
from drivers.base import Driver
from tests.drivers.contract_base import Backdoor, ContractBase, MakePlan, quiet


def changed(plan: GuestPlan, **fields: Any) -> GuestPlan:
    return plan.model_copy(update=fields)


class ShapeContract(ContractBase):
    """What of a guest can change, and when."""

    def test_a_running_guest_has_what_was_planned(self, driver: Driver, make_plan: MakePlan) -> None:
        plan = make_plan(tcp=(80, 22), udp=(53,), disk=10**9 + 1, memory=10**8 + 1, max_memory=2 * 10**8 + 1)
        seen = driver.ensure_running(plan, fresh=True, start=1)
        assert (seen.shape, seen.build) == (plan.shape, plan.build)
        (listed,) = driver.inventory()
        assert (listed.shape, listed.build) == (plan.shape, plan.build)

    def test_a_guest_that_is_off_has_no_shape(self, driver: Driver, plan: GuestPlan, running: Observation) -> None:
        seen = driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        assert (seen.shape, seen.build) == (None, "")

    def test_a_running_guest_is_given_cpus_up_to_its_maximum(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        more = changed(plan, cpus=plan.max_cpus + 1, max_cpus=plan.max_cpus + 1)
        for _ in range(2):
            seen = driver.ensure_fitted(more, incarnation=running.incarnation)
            assert seen.shape == changed(plan, cpus=plan.max_cpus).shape
            assert seen.build == plan.build
        assert driver.observe(plan.uid).shape == seen.shape

    def test_a_running_guest_keeps_the_cpus_it_has(
        self,
        driver: Driver,
        make_plan: MakePlan,
    ) -> None:
        plan = make_plan(cpus=2)
        running = driver.ensure_running(plan, fresh=True, start=1)
        assert driver.ensure_fitted(changed(plan, cpus=1), incarnation=running.incarnation).shape == plan.shape

    def test_the_disk_of_a_running_guest_grows_and_never_shrinks(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
        backdoor: Backdoor,
    ) -> None:
        larger = changed(plan, disk=2 * plan.disk)
        assert driver.ensure_fitted(larger, incarnation=running.incarnation).shape == larger.shape
        assert driver.ensure_fitted(plan, incarnation=running.incarnation).shape == larger.shape
        driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        assert backdoor.disk_size(plan.uid) == larger.disk
        again = driver.ensure_running(plan, fresh=False, start=2)
        assert again.shape == larger.shape

    def test_exposed_ports_follow_while_a_guest_runs(
        self,
        driver: Driver,
        fellow: Driver,
        make_plan: MakePlan,
    ) -> None:
        plan = make_plan(tcp=(22,), udp=(53,))
        running = driver.ensure_running(plan, fresh=True, start=1)
        other = changed(plan, tcp=(80, 22), udp=())
        for worker in (driver, fellow):
            seen = worker.ensure_fitted(other, incarnation=running.incarnation)
            assert seen.shape == other.shape
        kept = [each for each in running.forwards if each.guest == 22]
        assert [each for each in seen.forwards if each.guest == 22] == kept
        assert {(each.protocol, each.guest) for each in seen.forwards} in (set(), {("tcp", 80), ("tcp", 22)})

    def test_a_booted_guest_gives_memory_back_and_takes_it(
        self,
        driver: Driver,
        plan: GuestPlan,
        booted: Observation,
    ) -> None:
        assert booted.shape == plan.shape
        for memory in (plan.max_memory, plan.memory, plan.memory + 2**20):
            other = changed(plan, memory=memory)
            assert driver.ensure_fitted(other, incarnation=booted.incarnation).shape == other.shape
        seen = driver.ensure_fitted(changed(plan, memory=2 * plan.max_memory), incarnation=booted.incarnation)
        assert seen.shape == changed(plan, memory=plan.max_memory).shape

    def test_everything_that_can_follow_a_plan_does_at_once(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        other = changed(plan, cpus=2, disk=2 * plan.disk, tcp=(22,), memory=plan.max_memory, user_data="#changed")
        seen = driver.ensure_fitted(other, incarnation=running.incarnation)
        assert (seen.shape, seen.build) == (other.shape, plan.build)
        assert seen.incarnation == running.incarnation

    def test_what_waits_for_a_power_on_comes_with_it(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
        backdoor: Backdoor,
    ) -> None:
        other = changed(plan, cpus=3, max_cpus=3, user_data="#changed", hostname="other")
        driver.ensure_fitted(other, incarnation=running.incarnation)
        assert driver.observe(plan.uid).build == plan.build
        driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        again = driver.ensure_running(other, fresh=False, start=2)
        assert (again.shape, again.build) == (other.shape, other.build)
        assert backdoor.seed(plan.uid).user_data == "#changed"

    def test_changed_user_data_alone_reaches_the_seed(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        driver.ensure_defined(changed(plan, user_data="#changed"), fresh=False)
        assert backdoor.seed(plan.uid).user_data == "#changed"

    def test_the_disk_of_a_guest_that_is_off_grows_with_its_plan_and_never_shrinks(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        for size, expected in ((2 * plan.disk, 2 * plan.disk), (plan.disk, 2 * plan.disk)):
            driver.ensure_defined(changed(plan, disk=size), fresh=False)
            assert backdoor.disk_size(plan.uid) == expected
        assert driver.ensure_running(plan, fresh=False, start=1).shape == changed(plan, disk=2 * plan.disk).shape

    def test_defining_a_running_guest_leaves_its_disk_as_it_is(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
        backdoor: Backdoor,
    ) -> None:
        seen = driver.ensure_defined(changed(plan, disk=2 * plan.disk), fresh=False)
        assert seen.shape == plan.shape
        assert backdoor.disk_size(plan.uid) == plan.disk
