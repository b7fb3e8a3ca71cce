"""Workers killed at moments nobody chose, and the VM deleted before they are back: nothing stays claimed or built."""

import asyncio
import random

from tests.e2e.stacks import WORKERS, eventually
from tests.e2e.tenant import VM, Tenant
from tests.image_server import ImageServer

ROUNDS = 5


async def test_no_room_and_no_domain_stays_when_workers_die_before_a_delete(
    simulated: Tenant, images: ImageServer
) -> None:
    moments = random.SystemRandom()
    for number in range(ROUNDS):
        name = f"vm{number}"
        await simulated.apply(simulated.vm(f"{images.url}/disk.qcow2", name=name))
        handle = simulated.objects.client.get_workflow_handle(simulated.workflow(name))
        await asyncio.sleep(moments.uniform(0, 0.3))  # the moment is the point: nothing is waited for
        await simulated.stack.kill(*WORKERS)
        await simulated.objects.delete(VM, name, simulated.namespace)
        await simulated.stack.up()
        assert await handle.result() == "deleted; nothing is left"

    async def nothing_is_claimed() -> bool:
        return await simulated.stack.claims() == (0, 0)

    await eventually(nothing_is_claimed, "every claim is given back")
    await simulated.forget_images()
    await simulated.until_nothing_is_left()
