"""Start a worker: `python -m workers lifecycle` or `python -m workers hypervisor --name NAME`."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Annotated

import structlog
import typer
from temporalio.client import Client
from temporalio.worker import Worker

from domain.hypervisor import HypervisorSpec
from domain.problem import Problem, Verdict
from drivers.factory import open_driver
from images.policy import FetchPolicy
from manifests.contract import SEARCH_ATTRIBUTES
from runtime.client import connect, ensure_search_attributes
from runtime.logs import configure
from runtime.settings import Settings
from workers import hypervisor as near
from workers import lifecycle as central

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
log = structlog.get_logger()


@app.command()
def lifecycle() -> None:
    """Serve the workflows."""
    _run(_lifecycle)


@app.command()
def hypervisor(
    name: Annotated[str, typer.Option(help="Name of the declared Hypervisor this worker is near to.")],
    allow_network: Annotated[
        list[str] | None,
        typer.Option(help="A private network (CIDR) images may come from, beside those of the settings."),
    ] = None,
    stream_address: Annotated[
        str, typer.Option(help="Address of this machine for channels into guests, instead of the settings' own.")
    ] = "",
) -> None:
    """Serve one hypervisor."""

    async def serve(client: Client, settings: Settings) -> None:
        spec = await _declared(client, name)
        driver = open_driver(spec)
        policy = FetchPolicy.model_validate({"allowed_networks": {*settings.allowed_networks, *(allow_network or ())}})
        listen = stream_address or settings.stream_address
        try:
            with near.hypervisor_worker(client, driver, name, policy, listen) as worker:
                await _serve([worker])
        finally:
            driver.close()

    _run(serve)


async def _lifecycle(client: Client, settings: Settings) -> None:
    await ensure_search_attributes(client, SEARCH_ATTRIBUTES)
    await _serve(central.workers(client, settings.backoff))


async def _declared(client: Client, name: str) -> HypervisorSpec:
    """Wait for the declaration: a worker may be started before its hypervisor is declared."""
    while True:
        try:
            return await near.declared(client, name)
        except Problem as problem:
            if problem.verdict is not Verdict.WAIT:
                raise
            log.info("waiting for the declaration", hypervisor=name)
            await asyncio.sleep(1)


async def _serve(workers: list[Worker]) -> None:
    """Run workers until SIGTERM or SIGINT; steps under way are told to stop and are taken up by the next worker."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        log.info("serving", queues=[worker.task_queue for worker in workers])
        await stop.wait()
        log.info("stopping")


def _run(serve: Callable[[Client, Settings], Awaitable[None]]) -> None:
    settings = Settings()
    configure(settings)

    async def main() -> None:
        await serve(await connect(settings), settings)

    asyncio.run(main())


if __name__ == "__main__":
    app()
