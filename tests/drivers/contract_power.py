"""The contract of power: starting, stopping, and which incarnation is meant."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from domain.guest import GuestPlan, Observation, Power, StopCause, absent
from drivers.base import Driver
from tests.drivers.contract_base import Backdoor, ContractBase, quiet


class _Enough(Exception):
    """Raised by a beat that asks to stop."""


class PowerContract(ContractBase):
    """Powering on and off."""

    def test_running_a_guest_builds_it_and_powers_it_on(self, driver: Driver, plan: GuestPlan) -> None:
        seen = driver.ensure_running(plan, fresh=True, start=1)
        assert (seen.uid, seen.power, seen.owner) == (plan.uid, Power.RUNNING, plan.owner)
        assert seen.incarnation

    def test_running_twice_keeps_the_incarnation(self, driver: Driver, plan: GuestPlan, running: Observation) -> None:
        again = driver.ensure_running(plan, fresh=False, start=2)
        assert (again.power, again.incarnation) == (Power.RUNNING, running.incarnation)
        assert driver.observe(plan.uid).incarnation == running.incarnation

    def test_another_worker_sees_the_same_incarnation(
        self,
        plan: GuestPlan,
        running: Observation,
        fellow: Driver,
    ) -> None:
        assert fellow.observe(plan.uid).incarnation == running.incarnation
        assert fellow.ensure_running(plan, fresh=False, start=2).incarnation == running.incarnation

    def test_every_power_on_is_another_incarnation(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        again = driver.ensure_running(plan, fresh=False, start=2)
        assert again.power is Power.RUNNING
        assert again.incarnation not in {"", running.incarnation}

    def test_threads_that_run_one_guest_at_once_leave_one_incarnation(self, driver: Driver, plan: GuestPlan) -> None:
        together = threading.Barrier(4)

        def run(_: int) -> Observation:
            together.wait()
            return driver.ensure_running(plan, fresh=True, start=1)

        with ThreadPoolExecutor(4) as threads:
            seen = list(threads.map(run, range(4)))
        assert {each.incarnation for each in seen} == {driver.observe(plan.uid).incarnation}
        assert [each.uid for each in driver.inventory()] == [plan.uid]

    def test_a_stop_without_grace_is_hard(self, driver: Driver, plan: GuestPlan, running: Observation) -> None:
        seen = driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        assert seen == Observation(uid=plan.uid, power=Power.OFF, owner=plan.owner, cause=StopCause.HOST, start=1)
        assert driver.observe(plan.uid) == seen

    def test_a_booted_guest_shuts_itself_down_when_asked(
        self,
        driver: Driver,
        plan: GuestPlan,
        booted: Observation,
    ) -> None:
        seen = driver.ensure_stopped(plan.uid, incarnation=booted.incarnation, grace=self.patience, beat=quiet)
        assert seen == Observation(uid=plan.uid, power=Power.OFF, owner=plan.owner, cause=StopCause.GUEST, start=1)

    def test_a_guest_that_was_not_yet_listening_is_asked_again(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        if not self.boots:
            pytest.skip("guests do not boot here")
        seen = driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=self.patience, beat=quiet)
        assert (seen.power, seen.cause) == (Power.OFF, StopCause.GUEST)

    def test_a_guest_that_does_not_listen_is_powered_off_when_its_grace_is_over(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        began = time.monotonic()
        seen = driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=self.deaf, beat=quiet)
        assert (seen.power, seen.cause) == (Power.OFF, StopCause.HOST)
        assert time.monotonic() - began >= self.deaf

    def test_stopping_another_incarnation_does_nothing(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        seen = driver.ensure_stopped(plan.uid, incarnation="an earlier one", grace=0, beat=quiet)
        assert (seen.power, seen.incarnation) == (Power.RUNNING, running.incarnation)
        assert driver.observe(plan.uid).incarnation == running.incarnation

    def test_stopping_what_is_off_does_nothing(self, driver: Driver, plan: GuestPlan) -> None:
        made = driver.ensure_defined(plan, fresh=True)
        assert driver.ensure_stopped(plan.uid, incarnation="any", grace=0, beat=quiet) == made

    def test_stopping_what_is_absent_does_nothing(self, driver: Driver, plan: GuestPlan) -> None:
        seen = driver.ensure_stopped(plan.uid, incarnation="any", grace=0, beat=quiet)
        assert seen == absent(plan.uid)

    def test_stopping_twice_is_stopping_once(self, driver: Driver, plan: GuestPlan, running: Observation) -> None:
        first = driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
        assert driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet) == first

    def test_a_beat_that_raises_ends_the_wait_for_a_guest(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        def enough() -> None:
            raise _Enough

        began = time.monotonic()
        with pytest.raises(_Enough):
            driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=100 * self.patience, beat=enough)
        assert time.monotonic() - began < self.patience

    def test_a_long_stop_beats_at_least_every_second(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        beats = [time.monotonic()]
        driver.ensure_stopped(
            plan.uid,
            incarnation=running.incarnation,
            grace=self.deaf,
            beat=lambda: beats.append(time.monotonic()),
        )
        assert len(beats) > 1 + self.deaf
        assert max(later - earlier for earlier, later in pairwise(beats)) < 2

    def test_a_guest_whose_process_dies_is_off_because_it_failed(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
        backdoor: Backdoor,
    ) -> None:
        backdoor.kill(plan.uid)
        seen = self.until(driver, plan.uid, lambda seen: not seen.alive)
        assert seen == Observation(uid=plan.uid, power=Power.OFF, owner=plan.owner, cause=StopCause.FAILED, start=1)
        assert driver.ensure_running(plan, fresh=False, start=2).incarnation not in {"", running.incarnation}
