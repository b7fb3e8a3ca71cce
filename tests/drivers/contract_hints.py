"""The contract of hints: whoever follows them sees every change."""

from collections.abc import Callable

import pytest

from domain.guest import GuestPlan, Observation, Power, StopCause
from drivers.base import Driver
from tests.drivers.contract_base import Backdoor, ContractBase, quiet
from tests.drivers.waiting import Watch, eventually, watching


class HintsContract(ContractBase):
    """Listening to the hypervisor."""

    def follow(
        self,
        driver: Driver,
        watch: Watch,
        uid: str,
        holds: Callable[[Observation], bool],
        *,
        since: int,
    ) -> Observation:
        """Observe a guest only when hinted at, until something holds; fail when the hints end before it does."""
        seen = since

        def hinted() -> Observation | None:
            nonlocal seen
            news = watch.about(uid, since=seen)
            seen = len(watch.hints)
            if not news:
                return None
            found = driver.observe(uid)
            return found if holds(found) else None

        found = eventually(hinted, within=self.patience, what=f"a hint after which guest {uid} is as awaited")
        assert found is not None
        return found

    def test_the_first_hint_asks_to_look_at_everything(self, driver: Driver) -> None:
        with watching(driver, within=self.patience) as watch:
            assert watch.hints[0].uid == ""

    def test_listening_ends_when_it_is_told_to(self, driver: Driver) -> None:
        with watching(driver, within=self.patience) as watch:
            pass
        assert watch.problem is None

    def test_a_start_is_hinted_at(self, driver: Driver, plan: GuestPlan) -> None:
        driver.ensure_defined(plan, fresh=True)
        with watching(driver, within=self.patience) as watch:
            since = len(watch.hints)
            driver.ensure_running(plan, fresh=False, start=2)
            self.follow(driver, watch, plan.uid, lambda seen: seen.power is Power.RUNNING, since=since)

    def test_what_another_worker_does_is_hinted_at(self, driver: Driver, fellow: Driver, plan: GuestPlan) -> None:
        with watching(driver, within=self.patience) as watch:
            since = len(watch.hints)
            fellow.ensure_running(plan, fresh=True, start=1)
            self.follow(driver, watch, plan.uid, lambda seen: seen.power is Power.RUNNING, since=since)

    def test_following_the_hints_alone_sees_a_guest_come_up(self, driver: Driver, plan: GuestPlan) -> None:
        if not self.boots:
            pytest.skip("guests do not boot here")
        with watching(driver, within=self.patience) as watch:
            since = len(watch.hints)
            driver.ensure_running(plan, fresh=True, start=1)
            self.follow(
                driver,
                watch,
                plan.uid,
                lambda seen: seen.guest.agent and bool(seen.guest.addresses),
                since=since,
            )

    def test_a_stop_is_hinted_at(self, driver: Driver, plan: GuestPlan, settled: Observation) -> None:
        with watching(driver, within=self.patience) as watch:
            since = len(watch.hints)
            driver.ensure_stopped(plan.uid, incarnation=settled.incarnation, grace=0, beat=quiet)
            self.follow(driver, watch, plan.uid, lambda seen: seen.power is Power.OFF, since=since)

    def test_the_death_of_a_guest_is_hinted_at(
        self,
        driver: Driver,
        settled: Observation,
        backdoor: Backdoor,
    ) -> None:
        with watching(driver, within=self.patience) as watch:
            since = len(watch.hints)
            backdoor.kill(settled.uid)
            self.follow(driver, watch, settled.uid, lambda seen: seen.cause is StopCause.FAILED, since=since)

    def test_a_removal_is_hinted_at(self, driver: Driver, plan: GuestPlan) -> None:
        driver.ensure_defined(plan, fresh=True)
        with watching(driver, within=self.patience) as watch:
            since = len(watch.hints)
            driver.ensure_removed(plan.uid)
            self.follow(driver, watch, plan.uid, lambda seen: seen.power is Power.ABSENT, since=since)

    def test_a_domain_undefined_behind_our_back_is_hinted_at(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        with watching(driver, within=self.patience) as watch:
            since = len(watch.hints)
            backdoor.undefine(plan.uid)
            self.follow(driver, watch, plan.uid, lambda seen: seen.power is Power.ABSENT, since=since)

    def test_two_listeners_both_hear(self, driver: Driver, fellow: Driver, plan: GuestPlan) -> None:
        with watching(driver, within=self.patience) as one, watching(fellow, within=self.patience) as two:
            marks = len(one.hints), len(two.hints)
            driver.ensure_running(plan, fresh=True, start=1)
            for watch, since in zip((one, two), marks, strict=True):
                self.follow(driver, watch, plan.uid, lambda seen: seen.power is Power.RUNNING, since=since)
