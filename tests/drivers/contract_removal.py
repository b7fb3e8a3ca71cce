"""The contract of removal: nothing stays, however little there was."""

from domain.guest import GuestPlan, Observation, absent
from drivers.base import Driver
from tests.drivers.contract_base import Backdoor, ContractBase, MakePlan


class RemovalContract(ContractBase):
    """Removing guests."""

    def test_removing_takes_everything_away(self, driver: Driver, plan: GuestPlan, backdoor: Backdoor) -> None:
        driver.ensure_defined(plan, fresh=True)
        driver.ensure_removed(plan.uid)
        assert driver.observe(plan.uid) == absent(plan.uid)
        assert driver.inventory() == []
        assert driver.leftovers() == []
        assert backdoor.content(plan.uid) == ""

    def test_an_unfinished_import_is_a_leftover_and_a_cached_image_is_none(self, driver: Driver, image: str) -> None:
        assert (driver.images / f"{image}.qcow2").is_file()
        unfinished = driver.images / "unfinished.partial"
        unfinished.touch()
        try:
            assert driver.leftovers() == ["images/unfinished.partial"]
        finally:
            unfinished.unlink()

    def test_the_clones_of_an_image_are_its_guests_root_disks(
        self, driver: Driver, plan: GuestPlan, image: str
    ) -> None:
        assert driver.clones(image) == []
        driver.ensure_defined(plan, fresh=True)
        assert driver.clones(image) == [plan.uid]
        assert driver.clones("f" * 32) == []
        driver.ensure_removed(plan.uid)
        assert driver.clones(image) == []

    def test_removing_twice_is_removing_once(self, driver: Driver, plan: GuestPlan) -> None:
        driver.ensure_defined(plan, fresh=True)
        driver.ensure_removed(plan.uid)
        driver.ensure_removed(plan.uid)
        assert driver.observe(plan.uid) == absent(plan.uid)

    def test_removing_what_never_was_succeeds(self, driver: Driver, plan: GuestPlan) -> None:
        driver.ensure_removed(plan.uid)
        assert driver.observe(plan.uid) == absent(plan.uid)

    def test_removing_a_running_guest_powers_it_off(self, driver: Driver, running: Observation) -> None:
        driver.ensure_removed(running.uid)
        assert driver.observe(running.uid) == absent(running.uid)
        assert driver.leftovers() == []

    def test_removing_clears_files_whose_domain_is_gone(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        backdoor.undefine(plan.uid)
        driver.ensure_removed(plan.uid)
        assert driver.leftovers() == []
        assert backdoor.content(plan.uid) == ""

    def test_removing_clears_a_domain_whose_files_are_gone(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        backdoor.lose_disk(plan.uid)
        driver.ensure_removed(plan.uid)
        assert driver.observe(plan.uid) == absent(plan.uid)

    def test_removing_one_guest_leaves_the_others(self, driver: Driver, make_plan: MakePlan) -> None:
        gone, stays = make_plan(), make_plan()
        driver.ensure_running(gone, fresh=True, start=1)
        running = driver.ensure_running(stays, fresh=True, start=1)
        driver.ensure_removed(gone.uid)
        assert driver.observe(stays.uid).incarnation == running.incarnation
        assert (driver.images / f"{stays.image}.qcow2").is_file()

    def test_a_removed_guest_can_be_built_again(self, driver: Driver, running: Observation, plan: GuestPlan) -> None:
        driver.ensure_removed(plan.uid)
        assert driver.ensure_running(plan, fresh=True, start=1).incarnation not in {"", running.incarnation}
