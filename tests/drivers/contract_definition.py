"""The contract of building guests: what is made, what is adopted, what is refused."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from domain.guest import GuestPlan, Observation, Power, StopCause, absent
from domain.problem import Problem, Verdict
from drivers.base import Driver
from tests.drivers.contract_base import Backdoor, ContractBase, MakePlan, refused

HOSTILE = (
    "</description></domain><devices><disk/></devices>",
    "<!-- ]]> & &lt; \" ' `id` $(id) ${HOME} %s {0}",
    "a: b\n- c: {d\n---\n#cloud-config\nruncmd: [reboot]",
    "'; DROP TABLE guests; --",
    "../../etc/passwd,backing_file=/etc/shadow",
    "größer · 仮想 · \N{RIGHT-TO-LEFT OVERRIDE}txt",
)


class DefinitionContract(ContractBase):
    """Preparing, defining, adopting, listing."""

    def test_preparing_twice_is_preparing_once(self, driver: Driver) -> None:
        first = driver.prepare()
        assert driver.prepare() == first
        assert first.uuid
        assert first.cpus > 0
        assert first.memory > 0
        assert driver.images.is_dir()

    def test_a_guest_nobody_defined_is_absent(self, driver: Driver, plan: GuestPlan) -> None:
        assert driver.observe(plan.uid) == absent(plan.uid)

    def test_defining_makes_a_guest_that_is_off(self, driver: Driver, plan: GuestPlan) -> None:
        made = driver.ensure_defined(plan, fresh=True)
        assert made == Observation(uid=plan.uid, power=Power.OFF, owner=plan.owner, cause=StopCause.UNKNOWN)
        assert driver.observe(plan.uid) == made

    def test_defining_twice_is_defining_once(self, driver: Driver, plan: GuestPlan, backdoor: Backdoor) -> None:
        first = driver.ensure_defined(plan, fresh=True)
        disk = backdoor.content(plan.uid)
        assert driver.ensure_defined(plan, fresh=False) == first
        assert backdoor.content(plan.uid) == disk
        assert [seen.uid for seen in driver.inventory()] == [plan.uid]
        assert driver.leftovers() == []

    def test_defining_from_several_threads_at_once_makes_one_guest(self, driver: Driver, plan: GuestPlan) -> None:
        with ThreadPoolExecutor(4) as threads:
            seen = list(threads.map(lambda _: driver.ensure_defined(plan, fresh=True), range(4)))
        assert {each.power for each in seen} == {Power.OFF}
        assert [each.uid for each in driver.inventory()] == [plan.uid]
        assert driver.leftovers() == []

    def test_defining_a_running_guest_leaves_it_running(
        self,
        driver: Driver,
        plan: GuestPlan,
        running: Observation,
    ) -> None:
        seen = driver.ensure_defined(plan, fresh=False)
        assert (seen.power, seen.incarnation) == (Power.RUNNING, running.incarnation)

    def test_a_missing_image_is_waited_for_and_nothing_is_built(self, driver: Driver, make_plan: MakePlan) -> None:
        plan = make_plan(image="0" * 32)
        problem = refused(lambda: driver.ensure_running(plan, fresh=True, start=1))
        assert (problem.reason, problem.verdict) == ("ImageMissing", Verdict.WAIT)
        assert driver.observe(plan.uid) == absent(plan.uid)
        assert driver.leftovers() == []

    def test_a_disk_smaller_than_its_image_is_refused_and_nothing_is_built(
        self,
        driver: Driver,
        make_plan: MakePlan,
    ) -> None:
        plan = make_plan(disk=4096)
        problem = refused(lambda: driver.ensure_defined(plan, fresh=True))
        assert (problem.reason, problem.verdict) == ("DiskTooSmall", Verdict.TERMINAL)
        assert driver.observe(plan.uid) == absent(plan.uid)
        assert driver.leftovers() == []

    def test_a_name_that_another_domain_has_is_refused_and_nothing_is_built(
        self,
        driver: Driver,
        make_plan: MakePlan,
        plan: GuestPlan,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        double = make_plan(name=plan.name)
        for ensure in (driver.ensure_defined, partial(driver.ensure_running, start=1)):
            problem = refused(partial(ensure, double, fresh=True))
            assert (problem.reason, problem.verdict) == ("DomainNameTaken", Verdict.TERMINAL)
        assert driver.observe(double.uid) == absent(double.uid)
        assert driver.leftovers() == []
        driver.ensure_removed(plan.uid)
        assert driver.ensure_defined(double, fresh=True).power is Power.OFF

    def test_of_two_guests_defined_at_once_under_one_name_one_is_built(
        self,
        driver: Driver,
        fellow: Driver,
        make_plan: MakePlan,
        plan: GuestPlan,
    ) -> None:
        together = threading.Barrier(2)

        def define(worker: Driver, wanted: GuestPlan) -> str:
            together.wait()
            try:
                return worker.ensure_defined(wanted, fresh=True).uid
            except Problem as problem:
                return problem.reason

        double = make_plan(name=plan.name)
        with ThreadPoolExecutor(2) as threads:
            ends = list(threads.map(define, (driver, fellow), (plan, double)))
        (uid,) = {*ends} - {"DomainNameTaken"}
        assert len(ends) == len({*ends})
        assert [seen.uid for seen in driver.inventory()] == [uid]

    def test_a_lost_root_disk_is_never_replaced_by_an_empty_one(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        backdoor.lose_disk(plan.uid)
        for ensure in (driver.ensure_defined, partial(driver.ensure_running, start=1)):
            problem = refused(partial(ensure, plan, fresh=False))
            assert (problem.reason, problem.verdict) == ("RootDiskMissing", Verdict.TERMINAL)
        assert backdoor.content(plan.uid) == ""
        assert not driver.observe(plan.uid).alive

    def test_a_disk_made_by_an_earlier_attempt_is_adopted_as_it_is(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        backdoor.scribble(plan.uid)
        disk = backdoor.content(plan.uid)
        backdoor.undefine(plan.uid)
        assert driver.ensure_defined(plan, fresh=True).power is Power.OFF
        assert backdoor.content(plan.uid) == disk

    def test_a_domain_undefined_behind_our_back_is_absent_and_leaves_its_disk(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        backdoor.undefine(plan.uid)
        assert driver.observe(plan.uid) == absent(plan.uid)
        assert driver.inventory() == []
        assert any(plan.uid in name for name in driver.leftovers())

    def test_a_domain_undefined_behind_our_back_comes_back_on_its_own_disk(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        backdoor.scribble(plan.uid)
        disk = backdoor.content(plan.uid)
        backdoor.undefine(plan.uid)
        driver.ensure_defined(plan, fresh=False)
        assert backdoor.content(plan.uid) == disk
        assert driver.leftovers() == []

    def test_a_guest_that_is_defined_is_brought_to_a_changed_plan(
        self,
        driver: Driver,
        plan: GuestPlan,
        backdoor: Backdoor,
    ) -> None:
        driver.ensure_defined(plan, fresh=True)
        disk = backdoor.content(plan.uid)
        changed = plan.model_copy(update={"cpus": plan.cpus + 1, "owner": "contract/renamed", "user_data": "#changed"})
        seen = driver.ensure_defined(changed, fresh=False)
        assert (seen.power, seen.owner) == (Power.OFF, "contract/renamed")
        assert backdoor.seed(plan.uid).user_data == "#changed"
        assert backdoor.content(plan.uid) == disk

    def test_the_inventory_lists_exactly_the_guests_that_were_built(self, driver: Driver, make_plan: MakePlan) -> None:
        off, on, gone = make_plan(), make_plan(), make_plan()
        driver.ensure_defined(off, fresh=True)
        driver.ensure_running(on, fresh=True, start=1)
        driver.ensure_running(gone, fresh=True, start=1)
        driver.ensure_removed(gone.uid)
        powers = {seen.uid: seen.power for seen in driver.inventory()}
        assert powers == {off.uid: Power.OFF, on.uid: Power.RUNNING}

    def test_the_inventory_agrees_with_observing(self, driver: Driver, running: Observation) -> None:
        (listed,) = driver.inventory()
        seen = driver.observe(running.uid)
        assert listed.model_copy(update={"guest": seen.guest}) == seen

    def test_guests_from_one_image_have_disks_of_their_own(
        self,
        driver: Driver,
        make_plan: MakePlan,
        backdoor: Backdoor,
    ) -> None:
        one, two = make_plan(), make_plan()
        driver.ensure_defined(one, fresh=True)
        driver.ensure_defined(two, fresh=True)
        cached = (driver.images / f"{one.image}.qcow2").read_bytes()
        untouched = backdoor.content(two.uid)
        backdoor.scribble(one.uid)
        assert backdoor.content(two.uid) == untouched
        assert (driver.images / f"{one.image}.qcow2").read_bytes() == cached

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_hostile_texts_are_data(
        self,
        driver: Driver,
        make_plan: MakePlan,
        backdoor: Backdoor,
        text: str,
    ) -> None:
        plan = make_plan(owner=text, hostname=text, user_data=text)
        made = driver.ensure_defined(plan, fresh=True)
        assert (made.power, made.owner) == (Power.OFF, text)
        seed = backdoor.seed(plan.uid)
        assert (seed.hostname, seed.user_data) == (text, text)
        assert [(seen.uid, seen.owner) for seen in driver.inventory()] == [(plan.uid, text)]

    def test_empty_user_data_is_a_seed_all_the_same(
        self,
        driver: Driver,
        make_plan: MakePlan,
        backdoor: Backdoor,
    ) -> None:
        plan = make_plan(user_data="", hostname="web-1")
        driver.ensure_defined(plan, fresh=True)
        assert backdoor.seed(plan.uid).hostname == "web-1"
