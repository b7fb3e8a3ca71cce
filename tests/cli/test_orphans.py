"""Domains that belong to no VM, at the command line: listed, and removed when somebody says so."""

import pytest

from domain.guest import Power
from domain.hypervisor import Orphan
from manifests.contract import Report, Signal, workflow_id
from tests.cli.saying import is_one_line
from tests.e2e.stacks import terminate
from tests.e2e.tenant import Tenant

pytestmark = pytest.mark.xdist_group("commands")

UNKNOWN = "2b7a2f6e-0000-4000-8000-000000000001"


async def report(tenant: Tenant, *orphans: Orphan) -> str:
    """Tell the hypervisor what its watch would after the next sweep; return the hypervisor's name."""
    name = tenant.stack.hypervisor().name
    hypervisor = tenant.objects.client.get_workflow_handle(workflow_id("Hypervisor", name))
    await hypervisor.signal(Signal.REPORT, Report(orphans=orphans))
    return name


async def test_an_orphan_is_listed_and_discarded(web: Tenant) -> None:
    uid = await web.uid()
    await terminate(web.objects, web.workflow())
    name = await report(web, Orphan(uid=uid, owner=f"{web.namespace}/web", power=Power.RUNNING))
    head, *rows = [line.split() for line in (await web.stack.vmflow("orphans")).out.splitlines()]
    assert head == ["HYPERVISOR", "UID", "OWNER", "POWER", "TROUBLE"]
    assert [name, uid, f"{web.namespace}/web", "Running"] in rows
    said = await web.stack.vmflow("discard", name, uid)
    assert (said.code, said.out) == (0, f"orphan/{uid} of {web.namespace}/web discarded\n")
    assert uid not in (await web.stack.vmflow("orphans")).out
    await web.forget_images()
    await web.until_nothing_is_left()


async def test_what_is_no_orphan_is_neither_listed_nor_discarded(web: Tenant) -> None:
    name = await report(web)
    said = await web.stack.vmflow("orphans")
    assert (said.code, said.out, said.err) == (0, "", "No orphans found.\n")
    assert is_one_line(await web.stack.vmflow("discard", name, await web.uid()), "NotAnOrphan")
    assert is_one_line(await web.stack.vmflow("discard", "nowhere", UNKNOWN), "NotFound")


async def test_what_was_given_up_and_lives_again_is_left_alone(web: Tenant) -> None:
    uid = await web.uid()
    name = await report(web, Orphan(uid=uid, owner=f"{web.namespace}/web", power=Power.RUNNING))
    said = await web.stack.vmflow("discard", name, uid, "--no-wait")
    assert (said.code, said.out) == (0, f"orphan/{uid} of {web.namespace}/web is being discarded\n")
    assert (await web.until_ready())["exits"] == 0
