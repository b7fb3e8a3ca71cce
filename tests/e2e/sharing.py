"""Sharing the machine's libvirt among test processes: who starts its daemons, and who ends them."""

import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from runtime import libvirt_daemons
from runtime.processes import Processes

FOLDER = Path(__file__).parents[2] / ".cache/e2e"
"""Locks, and the pid files of daemons that tests have started."""

DAEMONS = Processes(FOLDER)


@asynccontextmanager
async def daemons() -> AsyncIterator[None]:
    """Have libvirt's daemons run meanwhile. Those nobody runs are started, and ended by whoever needs them last."""
    with _opened("users") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            await start()
            yield
        finally:
            if _alone(users) and not await libvirt_daemons.active_guests():
                for name in libvirt_daemons.NAMES:
                    await DAEMONS.ensure_stopped(name)


async def start() -> None:
    """Start the daemons that do not answer."""
    for daemon in await libvirt_daemons.missing():
        await DAEMONS.ensure_started(daemon)


def _alone(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(name: str) -> IO[str]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    return (FOLDER / f"{name}.lock").open("w")
