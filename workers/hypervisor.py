"""The worker near one hypervisor: its driver's steps, its image cache, its watch."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from activities.channels import Channels, Identity
from activities.hypervisor import HypervisorActivities
from activities.orphans import Orphans
from activities.problems import ProblemInterceptor
from activities.told import Told
from activities.watch import Watch
from domain.hypervisor import HypervisorSpec
from domain.problem import Problem
from drivers.base import Driver
from images.policy import FetchPolicy
from manifests.contract import OBJECT_MEMO, hypervisor_queue, workflow_id
from manifests.fleet import Hypervisor
from manifests.registry import parse
from runtime.certificates import self_signed

THREADS = 32
"""Steps that may block in the driver at the same time."""

LOOPBACK = "127.0.0.1"
"""Where a relay listens unless told otherwise."""

FRESHNESS = timedelta(seconds=1)
"""How old the progress people read may be."""


async def declared(client: Client, name: str) -> HypervisorSpec:
    """Return the hypervisor's declaration as Temporal holds it.

    Raises Problem.wait `HypervisorNotDeclared` when there is none.
    """
    handle = client.get_workflow_handle(workflow_id("Hypervisor", name))
    try:
        description = await handle.describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise Problem.wait(
            "HypervisorNotDeclared",
            "no such Hypervisor; apply its manifest first",
            field=name,
        ) from error
    document: dict[str, Any] = await description.memo_value(OBJECT_MEMO)
    manifest = parse(document)
    if not isinstance(manifest, Hypervisor):
        raise Problem.terminal("HypervisorNotDeclared", f"a {manifest.kind} has its id", field=name)
    return manifest.domain()


@contextmanager
def hypervisor_worker(
    client: Client, driver: Driver, name: str, policy: FetchPolicy, listen: str = LOOPBACK
) -> Iterator[Worker]:
    """Give the worker that serves one hypervisor; its threads and its relay end with the context.

    listen: address of this machine at which channels into guests are reached.
    """
    told = Told()
    channels = Channels(driver, listen, partial(_identity, listen))
    steps = HypervisorActivities(driver, policy, told)
    with ThreadPoolExecutor(THREADS, thread_name_prefix=f"hypervisor-{name}") as executor, closing(channels):
        yield Worker(
            client,
            task_queue=hypervisor_queue(name),
            activities=[
                steps.prepare,
                steps.observe,
                steps.ensure_defined,
                steps.ensure_running,
                steps.ensure_stopped,
                steps.ensure_ordered,
                steps.ensure_fitted,
                steps.ensure_removed,
                steps.import_image,
                steps.remove_image,
                steps.read_console,
                channels.admit,
                Orphans(driver, told, client).discard,
                Watch(name, driver, told, client).watch,
            ],
            activity_executor=executor,
            interceptors=[ProblemInterceptor()],
            max_concurrent_activities=THREADS,
            max_heartbeat_throttle_interval=FRESHNESS,
            default_heartbeat_throttle_interval=FRESHNESS,
        )


def _identity(listen: str) -> Identity:
    """Make the relay's key and certificate; whoever may connect is handed the certificate."""
    made = self_signed("vmflow channels", (listen,))
    return made.server_context(), made.certificate
