"""The contract of what guests show: agent, addresses, console."""

from ipaddress import ip_address

import pytest

from domain.guest import GuestInfo, GuestPlan, Observation
from drivers.base import Driver
from tests.drivers.contract_base import ContractBase, MakePlan, quiet

_ALL = 2**20
"""More console than a guest of the contract writes."""


class GuestContract(ContractBase):
    """Looking into guests."""

    def test_a_booted_guest_tells_of_itself(self, booted: Observation) -> None:
        assert booted.booted
        assert booted.guest.agent
        assert booted.guest.agent_version
        addresses = [ip_address(text) for text in booted.guest.addresses]
        assert addresses
        assert not any(each.is_loopback or each.is_link_local for each in addresses)
        assert [each.version for each in addresses] == sorted(each.version for each in addresses)

    def test_a_guest_that_is_off_tells_nothing(self, driver: Driver, plan: GuestPlan, booted: Observation) -> None:
        seen = driver.ensure_stopped(plan.uid, incarnation=booted.incarnation, grace=0, beat=quiet)
        assert seen.guest == GuestInfo()

    def test_two_guests_have_addresses_of_their_own(self, driver: Driver, make_plan: MakePlan) -> None:
        if not self.boots:
            pytest.skip("guests do not boot here")
        plans = [make_plan(), make_plan()]
        for plan in plans:
            driver.ensure_running(plan, fresh=True, start=1)
        one, two = (
            self.until(driver, plan.uid, lambda seen: bool(seen.guest.addresses)).guest.addresses for plan in plans
        )
        assert not {*one} & {*two}

    def test_a_guest_that_never_ran_has_an_empty_console(self, driver: Driver, plan: GuestPlan) -> None:
        driver.ensure_defined(plan, fresh=True)
        assert driver.console(plan.uid, limit=_ALL) == b""

    def test_an_absent_guest_has_an_empty_console(self, driver: Driver, plan: GuestPlan) -> None:
        assert driver.console(plan.uid, limit=_ALL) == b""

    def test_the_console_shows_the_boot_and_stays_after_it(
        self,
        driver: Driver,
        plan: GuestPlan,
        booted: Observation,
    ) -> None:
        assert driver.console(plan.uid, limit=_ALL).count(self.console_mark) == 1
        driver.ensure_stopped(plan.uid, incarnation=booted.incarnation, grace=0, beat=quiet)
        assert driver.console(plan.uid, limit=_ALL).count(self.console_mark) == 1

    def test_the_console_gives_the_last_bytes_up_to_its_limit(
        self,
        driver: Driver,
        plan: GuestPlan,
        booted: Observation,
    ) -> None:
        driver.ensure_stopped(plan.uid, incarnation=booted.incarnation, grace=0, beat=quiet)
        whole = driver.console(plan.uid, limit=_ALL)
        assert driver.console(plan.uid, limit=16) == whole[-16:]
        assert driver.console(plan.uid, limit=0) == b""

    def test_the_console_starts_anew_with_every_power_on(
        self,
        driver: Driver,
        plan: GuestPlan,
        booted: Observation,
    ) -> None:
        driver.ensure_stopped(plan.uid, incarnation=booted.incarnation, grace=0, beat=quiet)
        driver.ensure_running(plan, fresh=False, start=2)
        self.until(driver, plan.uid, lambda seen: seen.booted)
        assert driver.console(plan.uid, limit=_ALL).count(self.console_mark) == 1
