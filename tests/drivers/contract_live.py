"""The contract of what is done to a running guest: pause, resume, reboot. It stays the same incarnation."""

import pytest

from domain.guest import GuestPlan, Observation, Power, absent
from drivers.base import Driver
from tests.drivers.contract_base import ContractBase, quiet
from tests.drivers.waiting import eventually

_ALL = 2**20


class LiveContract(ContractBase):
    """Orders to one incarnation."""

    def boots_shown(self, driver: Driver, uid: str) -> int:
        return driver.console(uid, limit=_ALL).count(self.console_mark)

    def test_a_paused_guest_keeps_its_incarnation_and_goes_on_when_resumed(
        self,
        driver: Driver,
        fellow: Driver,
        running: Observation,
    ) -> None:
        uid, incarnation = running.uid, running.incarnation
        for worker in (driver, fellow):
            paused = worker.ensure_paused(uid, incarnation=incarnation)
            assert (paused.power, paused.incarnation, paused.shape) == (Power.PAUSED, incarnation, running.shape)
            assert driver.observe(uid).power is Power.PAUSED
        for worker in (driver, fellow):
            resumed = worker.ensure_resumed(uid, incarnation=incarnation)
            assert (resumed.power, resumed.incarnation) == (Power.RUNNING, incarnation)
            assert driver.observe(uid).power is Power.RUNNING

    def test_a_paused_guest_that_is_to_run_stays_paused(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        driver.ensure_paused(plan.uid, incarnation=running.incarnation)
        for start in (1, 2):
            seen = driver.ensure_running(plan, fresh=False, start=start)
            assert (seen.power, seen.incarnation) == (Power.PAUSED, running.incarnation)

    def test_a_paused_guest_can_be_powered_off(self, driver: Driver, running: Observation) -> None:
        driver.ensure_paused(running.uid, incarnation=running.incarnation)
        seen = driver.ensure_stopped(running.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        assert seen.power is Power.OFF

    def test_no_order_reaches_another_incarnation(self, driver: Driver, plan: GuestPlan, running: Observation) -> None:
        another = "an earlier one"
        driver.ensure_paused(plan.uid, incarnation=another)
        driver.ensure_rebooted(plan.uid, incarnation=another, request="a", hard=True)
        driver.ensure_fitted(plan.model_copy(update={"cpus": plan.max_cpus}), incarnation=another)
        seen = driver.observe(plan.uid)
        assert (seen.power, seen.reboot, seen.shape) == (Power.RUNNING, "", running.shape)
        driver.ensure_paused(plan.uid, incarnation=running.incarnation)
        assert driver.ensure_resumed(plan.uid, incarnation=another).power is Power.PAUSED

    def test_no_order_reaches_a_guest_that_is_off(self, driver: Driver, plan: GuestPlan) -> None:
        made = driver.ensure_defined(plan, fresh=True)
        self.order_everything(driver, plan, "any", made)

    def test_no_order_reaches_a_guest_that_is_absent(self, driver: Driver, plan: GuestPlan) -> None:
        self.order_everything(driver, plan, "any", absent(plan.uid))

    def order_everything(self, driver: Driver, plan: GuestPlan, incarnation: str, seen: Observation) -> None:
        assert driver.ensure_paused(plan.uid, incarnation=incarnation) == seen
        assert driver.ensure_resumed(plan.uid, incarnation=incarnation) == seen
        assert driver.ensure_rebooted(plan.uid, incarnation=incarnation, request="a", hard=True) == seen
        assert driver.ensure_fitted(plan, incarnation=incarnation) == seen

    def test_a_paused_guest_is_neither_rebooted_nor_fitted(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        paused = driver.ensure_paused(plan.uid, incarnation=running.incarnation)
        changed = plan.model_copy(update={"cpus": plan.max_cpus, "tcp": (22,)})
        for hard in (True, False):
            seen = driver.ensure_rebooted(plan.uid, incarnation=running.incarnation, request="a", hard=hard)
            assert seen == paused
        assert driver.ensure_fitted(changed, incarnation=running.incarnation) == paused

    @pytest.mark.parametrize("way", ["reset", "soft"])
    def test_a_rebooted_guest_boots_again_once_for_each_order(
        self,
        driver: Driver,
        fellow: Driver,
        plan: GuestPlan,
        booted: Observation,
        way: str,
    ) -> None:
        hard = way == "reset"
        for worker in (driver, fellow):
            seen = worker.ensure_rebooted(plan.uid, incarnation=booted.incarnation, request="one", hard=hard)
            assert (seen.power, seen.incarnation, seen.reboot) == (Power.RUNNING, booted.incarnation, "one")
        eventually(
            lambda: self.boots_shown(driver, plan.uid) == 2,
            within=self.patience,
            what="the console of two boots",
        )
        up = self.until(driver, plan.uid, lambda seen: seen.guest.agent and bool(seen.guest.addresses))
        assert self.boots_shown(driver, plan.uid) == 2
        assert (up.incarnation, up.start, up.reboot) == (booted.incarnation, 1, "one")
        assert up.shape == plan.shape

    def test_another_order_reboots_again_and_a_power_on_forgets_them(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        for request in ("one", "two <&>"):
            seen = driver.ensure_rebooted(plan.uid, incarnation=running.incarnation, request=request, hard=True)
            assert seen.reboot == request
        off = driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        assert off.reboot == ""
        assert driver.ensure_running(plan, fresh=False, start=2).reboot == ""
