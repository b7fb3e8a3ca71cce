"""Dialing into a running guest: through Temporal for the way in, directly to the relay for the bytes."""

import asyncio
import json
import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any

from domain.channel import Endpoint
from domain.problem import Problem, Verdict
from manifests.contract import ChannelAnswer, ChannelRequest, WorkflowType
from manifests.registry import kind_called
from runtime.certificates import trusting
from runtime.nearby import answer
from runtime.objects import Objects

PATIENCE = timedelta(seconds=40)
"""How long the way in is waited for, when nobody serves the hypervisor."""

ANSWER_WITHIN = 30.0
"""Seconds until the relay must have said whether the guest is reached."""

_LINE = 64 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def dial(objects: Objects, name: str, namespace: str, endpoint: Endpoint, port: int = 0) -> Streams:
    """Return a channel into a VM's running guest; the caller closes it.

    Raises Problem `NotFound`, `NotPlaced`, `GuestNotRunning`, `PortClosed` or `Unavailable`.
    """
    document: dict[str, Any] = await objects.get(kind_called("virtualservers"), name, namespace)
    hypervisor = document.get("status", {}).get("placement", {}).get("hypervisor", "")
    if not hypervisor:
        raise Problem.wait("NotPlaced", "is not on a hypervisor yet, so there is no guest to reach", field=name)
    secret = secrets.token_hex(32)
    request = ChannelRequest(
        hypervisor=hypervisor,
        uid=document["metadata"]["uid"],
        endpoint=endpoint,
        port=port,
        ticket=sha256(secret.encode()).hexdigest(),
    )
    admitted = await answer(
        objects.client, WorkflowType.CHANNEL, request, ChannelAnswer, about=f"{namespace}/{name}", within=PATIENCE
    )
    return await _connected(admitted, secret, name)


async def _connected(answer: ChannelAnswer, secret: str, name: str) -> Streams:
    where = f"the relay at {answer.host}:{answer.port}"
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            streams = await asyncio.open_connection(
                answer.host, answer.port, ssl=trusting(answer.certificate), server_hostname=answer.host, limit=_LINE
            )
            told = await _welcomed(streams, secret)
    except TimeoutError:
        raise Problem.retry("Unavailable", f"{where} does not answer", field=name) from None
    except (OSError, asyncio.IncompleteReadError) as error:
        raise Problem.retry("Unavailable", f"{where} cannot be reached: {error}", field=name) from error
    if told:
        streams[1].close()
        raise Problem(told["reason"], told["message"], verdict=Verdict(told["verdict"]), field=name)
    return streams


async def _welcomed(streams: Streams, secret: str) -> dict[str, str]:
    """Show the ticket's secret; return what is in the way, nothing when the guest is reached.

    Raises OSError, and asyncio.IncompleteReadError when the relay hangs up.
    """
    reader, writer = streams
    try:
        writer.write(secret.encode() + b"\n")
        await writer.drain()
        told: dict[str, str] = json.loads(await reader.readuntil(b"\n"))
    except BaseException:
        writer.close()
        raise
    return told
