"""The contract of numbered power-ons: for each number a guest runs once, however often it is asked for."""

from domain.guest import GuestPlan, Observation, Power, StopCause
from drivers.base import Driver
from tests.drivers.contract_base import Backdoor, ContractBase, quiet


class StartContract(ContractBase):
    """Which power-on a guest has seen."""

    def test_a_guest_that_never_ran_has_seen_no_power_on(self, driver: Driver, plan: GuestPlan) -> None:
        assert driver.ensure_defined(plan, fresh=True).start == 0

    def test_a_power_on_is_told_while_the_guest_runs_and_after_it_ended(
        self,
        driver: Driver,
        plan: GuestPlan,
    ) -> None:
        running = driver.ensure_running(plan, fresh=True, start=3)
        assert (running.start, driver.observe(plan.uid).start) == (3, 3)
        driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        assert driver.observe(plan.uid).start == 3
        assert [seen.start for seen in driver.inventory()] == [3]

    def test_a_guest_that_ended_is_not_powered_on_again_for_the_same_number(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
        backdoor: Backdoor,
    ) -> None:
        backdoor.kill(plan.uid)
        self.until(driver, plan.uid, lambda seen: not seen.alive)
        again = driver.ensure_running(plan, fresh=False, start=1)
        assert (again.power, again.cause, again.start) == (Power.OFF, StopCause.FAILED, 1)
        assert driver.observe(plan.uid) == again

    def test_a_guest_that_ended_is_not_powered_on_for_an_earlier_number(
        self,
        driver: Driver,
        plan: GuestPlan,
    ) -> None:
        running = driver.ensure_running(plan, fresh=True, start=5)
        driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        assert driver.ensure_running(plan, fresh=False, start=4).power is Power.OFF

    def test_a_running_guest_is_left_running_for_a_later_number(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        again = driver.ensure_running(plan, fresh=False, start=2)
        assert (again.incarnation, again.start) == (running.incarnation, 1)

    def test_bringing_a_guest_to_another_plan_keeps_the_number(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        changed = plan.model_copy(update={"cpus": plan.max_cpus, "user_data": "#changed"})
        assert driver.ensure_defined(changed, fresh=False).start == 1
        assert driver.ensure_running(changed, fresh=False, start=1).power is Power.OFF
        assert driver.ensure_running(changed, fresh=False, start=2).power is Power.RUNNING

    def test_a_domain_that_was_built_again_has_seen_no_power_on(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        backdoor.undefine(plan.uid)
        assert driver.ensure_defined(plan, fresh=False).start == 0
        assert driver.ensure_running(plan, fresh=False, start=1).power is Power.RUNNING
