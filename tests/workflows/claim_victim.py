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
from workers.lifecycle import workers

_claim = Errands.ensure_claimed


@activity.defn(name="ensure_claimed")
async def _claim_and_die(errands: Errands, request: ClaimRequest) -> Placement:
    if sys.argv[2] == "after":
        await _claim(errands, request)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process does not go on")


async def main() -> None:
    """Serve workflows until the first claim."""
    Errands.ensure_claimed = _claim_and_die  # type: ignore[method-assign] # the one errand that kills
    client = await Client.connect(sys.argv[1], data_converter=pydantic_data_converter)
    async with AsyncExitStack() as stack:
        for worker in workers(client):
            await stack.enter_async_context(worker)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
