"""A lifecycle worker that dies (SIGKILL) at its first claim: before it is sent, or after it was granted.

python -m tests.workflows.claim_victim ADDRESS before|after
"""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack

from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.errands import ClaimRequest, Errands
from domain.placement import Placement
from workers import lifecycle


class Dying(Errands):
    """Errands of a worker that never tells what came of a claim."""

    @activity.defn
    async def ensure_claimed(self, request: ClaimRequest) -> Placement:
        """Claim room, or not even that, and be gone."""
        if sys.argv[2] == "after":
            await super().ensure_claimed(request)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("a killed process does not go on")


async def main() -> None:
    """Serve workflows until the first claim."""
    vars(lifecycle)["Errands"] = Dying  # the one part of a worker that is not the real one
    client = await Client.connect(sys.argv[1], data_converter=pydantic_data_converter)
    async with AsyncExitStack() as stack:
        for worker in lifecycle.workers(client):
            await stack.enter_async_context(worker)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
