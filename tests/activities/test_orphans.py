"""Domains that belong to no VM: found on evidence, removed only when asked and only while they belong to nobody."""

import pytest
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities import orphans
from domain.guest import GuestPlan, Power
from domain.hypervisor import Orphan
from domain.problem import Problem, Verdict
from tests.activities.line import Line
from tests.activities.scene import Scene


def orphan(plan: GuestPlan) -> Orphan:
    return Orphan(uid=plan.uid, owner=plan.owner, power=Power.RUNNING)


async def found(scene: Scene) -> set[str]:
    return {each.uid for each in await scene.orphans().among(scene.driver.inventory())}


async def test_a_domain_of_a_vm_that_no_list_shows_yet_is_no_orphan(scene: Scene) -> None:
    _, plan = await scene.newborn()
    scene.run(plan)
    assert await found(scene) == set()


async def test_a_domain_whose_vm_was_terminated_is_an_orphan(scene: Scene) -> None:
    vm, plan = await scene.newborn()
    scene.run(plan)
    await vm.terminate()
    assert await scene.orphans().among(scene.driver.inventory()) == (orphan(plan),)


async def test_a_domain_of_an_earlier_vm_of_the_same_name_is_an_orphan(scene: Scene) -> None:
    vm, plan = await scene.newborn("web")
    scene.run(plan)
    await vm.terminate()
    await scene.newborn("web")
    assert await found(scene) == {plan.uid}


async def test_a_domain_that_names_no_owner_is_an_orphan(scene: Scene) -> None:
    plan = scene.plan().model_copy(update={"owner": ""})
    scene.run(plan)
    assert await found(scene) == {plan.uid}


async def test_a_domain_a_step_works_on_is_no_orphan(scene: Scene) -> None:
    plan = scene.plan()
    scene.run(plan)
    with scene.told.telling(plan.uid):
        assert await found(scene) == set()


async def test_a_domain_that_is_gone_by_the_time_its_vm_is_found_gone_is_no_orphan(scene: Scene) -> None:
    plan = scene.plan()
    scene.run(plan)
    before = scene.driver.inventory()
    scene.driver.ensure_removed(plan.uid)
    assert await scene.orphans().among(before) == ()


async def test_no_more_orphans_are_named_than_fit_a_status(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "MOST", 2)
    plans = [scene.plan() for _ in range(3)]
    for plan in plans:
        scene.run(plan)
    assert await found(scene) == set(sorted(plan.uid for plan in plans)[:2])


async def test_an_orphan_is_discarded_with_everything_built_for_it(scene: Scene) -> None:
    vm, plan = await scene.newborn()
    scene.run(plan)
    await vm.terminate()
    for _ in range(2):
        await ActivityEnvironment().run(scene.orphans().discard, orphan(plan))
    assert scene.driver.inventory() == []
    assert scene.driver.leftovers() == []


async def test_an_orphan_whose_vm_lives_again_is_not_discarded(scene: Scene) -> None:
    _, plan = await scene.newborn()
    scene.run(plan)
    with pytest.raises(Problem) as caught:
        await ActivityEnvironment().run(scene.orphans().discard, orphan(plan))
    assert (caught.value.reason, caught.value.verdict, caught.value.field) == (
        "NotAnOrphan",
        Verdict.TERMINAL,
        plan.uid,
    )
    assert scene.driver.observe(plan.uid).power is Power.RUNNING


async def test_while_the_server_is_out_of_reach_nobody_is_called_an_orphan(scene: Scene, line: Line) -> None:
    scene.run(scene.plan())
    scene.client = await line.client()
    line.cut()
    with pytest.raises(RPCError):
        await found(scene)


async def test_a_uid_is_forsaken_when_neither_a_life_nor_a_step_nor_a_domain_has_it(scene: Scene) -> None:
    vm, plan = await scene.newborn()
    known = scene.orphans()
    assert not await known.forsaken(plan.uid, vm.id)
    await vm.terminate()
    with scene.told.telling(plan.uid):
        assert not await known.forsaken(plan.uid, vm.id)
    assert await known.forsaken(plan.uid, vm.id)
    scene.run(plan)
    assert not await known.forsaken(plan.uid, vm.id)
    assert await known.forsaken(plan.uid[:-1] + "x", "VirtualServer/nowhere/nobody")
