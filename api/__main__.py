"""Serve the gateway: `python -m api`."""

import asyncio
import socket
import ssl
from types import FrameType
from typing import Annotated

import structlog
import typer
import uvicorn

from api import tls
from api.app import application
from api.door import HEADER_LIMIT, Door
from api.gateway import Gateway
from api.protocol import Protocol
from manifests.core import default_namespace
from runtime.client import connect
from runtime.logs import configure
from runtime.objects import Objects
from runtime.sealing import Keyring, ensure_key_file
from runtime.settings import Settings

app = typer.Typer(pretty_exceptions_enable=False)
log = structlog.get_logger()

MESSAGE_LIMIT = 1024 * 1024
"""Bytes of a WebSocket's message."""

IDLE_SECONDS = 75
"""How long a connection may be idle between two requests."""

RENEWAL_SECONDS = 12 * 3600.0
"""Between two looks whether the certificate is due."""

GRACE_SECONDS = 5
"""How long requests under way may take when the gateway is told to stop."""


class Server(uvicorn.Server):
    """uvicorn's server; told to stop, it ends watches first, which would never end by themselves."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop."""
        self._gateway.stop()
        super().handle_exit(sig, frame)


def config(served: Door, settings: Settings, context: ssl.SSLContext) -> uvicorn.Config:
    """Return how the gateway is served."""
    return uvicorn.Config(
        served,
        host=settings.gateway_listen,
        port=settings.gateway_port,
        http=Protocol,
        ws_max_size=MESSAGE_LIMIT,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=HEADER_LIMIT,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="off",
        ssl_context_factory=lambda _config, _default: context,
    )


def names(settings: Settings) -> list[str]:
    """Return what clients may call the gateway: loopback, this machine's names, and what the settings say."""
    here = {socket.gethostname(), "localhost", "127.0.0.1", "::1"}
    listen = {settings.gateway_listen} - {"0.0.0.0", "::"}  # noqa: S104 - left out
    return sorted({*here, *listen, *settings.gateway_names})


async def renew(context: ssl.SSLContext, settings: Settings, every: float = RENEWAL_SECONDS) -> None:
    """Look again and again whether the certificate is due."""
    while True:
        await asyncio.sleep(every)
        try:
            await asyncio.to_thread(tls.refresh, context, settings.gateway_directory, names(settings))
        except (OSError, ValueError) as error:
            log.warning("the certificate could not be renewed; the one before serves on", trouble=str(error))


async def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    if settings.key_file is None:  # one that somebody names is shared with others, and never made here
        await asyncio.to_thread(ensure_key_file, settings.keys)
    objects = Objects(await connect(settings), Keyring(settings.keys))
    await objects.ensure(default_namespace())
    gateway = Gateway(objects)
    context = tls.ensure(settings.gateway_directory, names(settings))
    server = Server(config(application(gateway), settings, context), gateway)
    renewing = asyncio.create_task(renew(context, settings))
    log.info("serving", url=settings.gateway_url)
    try:
        await server.serve()
    finally:
        renewing.cancel()
        await gateway.close()


@app.command()
def main(
    listen: Annotated[str, typer.Option(help="Address to listen on.")] = "",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 0,
    name: Annotated[list[str] | None, typer.Option(help="A host name or address clients use for it.")] = None,
) -> None:
    """Serve the gateway; what no option says stands in the environment."""
    settings = Settings()
    said = {"gateway_listen": listen, "gateway_port": port, "gateway_names": name}
    settings = settings.model_copy(update={key: value for key, value in said.items() if value})
    configure(settings)
    asyncio.run(serve(settings))


if __name__ == "__main__":
    app()
