import socket

from temporalio.client import Client

from deploy.worker_health import silent
from manifests.contract import LEDGER_QUEUE, LIFECYCLE_QUEUE
from tests.world import eventually
from workers.lifecycle import workers

HERE = socket.gethostname()
QUEUES = [LIFECYCLE_QUEUE, LEDGER_QUEUE]


async def test_a_worker_that_asks_its_queues_is_healthy(client: Client) -> None:
    lifecycle, ledger = workers(client)
    async with lifecycle, ledger:

        async def healthy() -> bool:
            return not await silent(client, QUEUES, HERE)

        await eventually(healthy)


async def test_a_queue_nobody_asks_is_named(client: Client) -> None:
    assert await silent(client, ["hypervisor:nobody"], HERE) == ["hypervisor:nobody"]


async def test_a_worker_of_another_host_does_not_count(client: Client) -> None:
    lifecycle, ledger = workers(client)
    async with lifecycle, ledger:

        async def healthy() -> bool:
            return not await silent(client, QUEUES, HERE)

        await eventually(healthy)
        assert await silent(client, QUEUES, f"not-{HERE}") == QUEUES
