"""What is wrong with a VM's manifest or image: the user reads the field and the reason, and deleting leaves nothing."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import yaml
from temporalio.client import Client

from manifests.contract import LIFECYCLE_QUEUE, WorkflowType
from runtime.objects import Document
from tests.disks import empty_qcow2
from tests.e2e.stacks import PrivateStack
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer
from tests.temporal_server import free_port

pytestmark = pytest.mark.xdist_group("bad-input")

URL, CHECKSUM = "spec.storage.root.source.http.url", "spec.storage.root.source.http.checksum"

BAD_MANIFESTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown field": ({"memroy": "1Gi"}, "spec.memroy", "unknown field"),
    "bad size": ({"resources": {"memory": "8Gigs"}}, "spec.resources.memory", "8Gigs"),
    "credentials in the URL": (
        {"storage": {"root": {"pvc": {"size": "1Gi"}, "source": {"http": {"url": "http://me:s3cret@host/disk"}}}}},
        URL,
        "credentials do not belong in a URL",
    ),
}
"""What is changed in the spec, the field that is named, and the reason."""

BAD_IMAGES: dict[str, tuple[str, str, str]] = {
    "unreachable": ("ImageUnreachable", URL, "cannot be reached"),
    "truncated": ("ImageTruncated", URL, "the connection ended early"),
    "wrong checksum": ("ChecksumMismatch", CHECKSUM, "sha256"),
    "not an image": ("ImageFormatRefused", URL, "unknown format"),
    "loopback": ("ImageSourceRefused", URL, "127.0.0.2"),
}
"""The reason, the field that is named, and what else the message says."""


def bad_image(tenant: Tenant, server: ImageServer, what: str) -> Document:
    """Return a VM whose image has something wrong with it."""
    good = empty_qcow2()
    match what:
        case "unreachable":
            return tenant.vm(f"http://127.0.0.1:{free_port()}/disk.qcow2")
        case "truncated":
            return tenant.vm(server.serve("/truncated", good, truncate_after=1000))
        case "wrong checksum":
            return tenant.vm(server.serve("/disk.qcow2", good), checksum=f"sha256:{'0' * 64}")
        case "not an image":
            return tenant.vm(server.serve("/noise", random.Random(1).randbytes(65536)))
        case "loopback":
            return tenant.vm(f"http://127.0.0.2:{server.port}/disk.qcow2")
        case _:
            raise AssertionError(what)


@pytest.fixture(scope="module")
async def failed(simulated_stack: PrivateStack) -> AsyncIterator[dict[str, Tenant]]:
    """VMs whose images are bad, each in a namespace of its own: all at once, since some are tried for a while."""
    with ImageServer() as server:
        tenants = {what: Tenant(simulated_stack) for what in BAD_IMAGES}
        async with AsyncExitStack() as stack:
            for what, tenant in tenants.items():
                stack.push_async_callback(tenant.clear)
                await tenant.apply(bad_image(tenant, server, what))
            yield tenants


@pytest.mark.parametrize("what", BAD_MANIFESTS)
async def test_a_bad_manifest_is_refused_before_anything_is_made(simulated: Tenant, what: str) -> None:
    change, field, reason = BAD_MANIFESTS[what]
    good, bad = simulated.vm("http://host/disk", name="good"), simulated.vm("http://host/disk")
    bad["spec"] |= change
    refused = await simulated.vmflow("apply", "-f", "-", stdin=yaml.safe_dump_all([good, bad]))
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"Error (422 InvalidManifest): standard input: {field}: ")
    assert reason in refused.err
    assert refused.err.count("\n") == 1
    assert "s3cret" not in refused.err
    assert await simulated.left() == []


@pytest.mark.parametrize("what", BAD_MANIFESTS)
async def test_a_bad_manifest_given_straight_to_temporal_says_so_in_its_condition(simulated: Tenant, what: str) -> None:
    change, field, reason = BAD_MANIFESTS[what]
    bad = simulated.vm("http://host/disk")
    bad["spec"] |= change
    client: Client = simulated.objects.client
    await client.start_workflow(WorkflowType.VIRTUAL_MACHINE, bad, id=simulated.workflow(), task_queue=LIFECYCLE_QUEUE)
    failure = await simulated.until_failure()
    assert failure["reason"] == "InvalidManifest"
    assert field in failure["message"]
    assert reason in failure["message"]
    assert field in (await simulated.vmflow("why", "web")).out
    assert (await simulated.vmflow("delete", "vs", "web", "--timeout", "30")).code == 0
    await simulated.until_nothing_is_left()


@pytest.mark.parametrize("what", BAD_IMAGES)
async def test_a_bad_image_fails_with_field_and_reason_and_deletes_without_a_trace(
    failed: dict[str, Tenant], what: str
) -> None:
    reason, field, detail = BAD_IMAGES[what]
    tenant = failed[what]
    waited = await tenant.vmflow("wait", "web", "--timeout", "90")
    assert waited.code == 1
    failure = await tenant.until_failure()
    assert failure["reason"] == reason
    assert failure["message"].startswith(f"{field}: ")
    assert detail in failure["message"]
    assert waited.err == f"Error ({reason}): web: {failure['message']} (vmflow why web tells more)\n"

    why = (await tenant.vmflow("why", "web")).out
    assert why.splitlines()[0] == f"web is Provisioning ({reason})"
    assert failure["message"] in why

    assert (await tenant.vmflow("delete", "vs", "web", "--timeout", "30")).code == 0
    await tenant.until_nothing_is_left()
