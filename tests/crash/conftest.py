import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from typing import Any

import pytest

from tests.crash import haste
from tests.crash.crews import Played
from tests.crash.explorer import Explorer, Run
from tests.crash.installation import Hire, installed
from tests.crash.killed import Killed
from tests.crash.telling import EXPLORED, FAILED, pytest_sessionfinish, report
from tests.disks import empty_qcow2
from tests.image_server import ImageServer
from tests.temporal_server import private_server

__all__ = ["pytest_sessionfinish"]

Tell = Callable[[Sequence[Run]], None]
Explorers = Callable[..., Explorer]

AT_ONCE = 8
"""Lives that one test process leads at the same time."""

_THREADS = 256
"""What one event loop needs that plays the workers of many machines: each keeps a thread for its watch."""


@pytest.fixture(scope="module")
def hurried() -> Iterator[None]:
    """Everything that takes its time, hastened."""
    with pytest.MonkeyPatch.context() as patch:
        haste.hurry(patch.setattr, haste.UNBOXED)
        yield


@pytest.fixture(scope="module")
async def explorers(hurried: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Explorers]:
    """A function that gives explorers over a Temporal server of their own, whose workers are hired as it says."""
    folder, numbers = tmp_path_factory.mktemp("crash"), count()
    config = {name.replace(".", "__"): value for name, value in haste.SERVER.items()}
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    async with AsyncExitStack() as stack:
        images = stack.enter_context(ImageServer())
        images.serve("/disk.qcow2", empty_qcow2())
        settings = await stack.enter_async_context(private_server(**config))

        def explorer(hire: Hire = Played, **limits: Any) -> Explorer:
            install = partial(installed, settings, server=images, hire=hire)
            made = Explorer(lambda: install(folder / str(next(numbers))), **{"at_once": AT_ONCE, **limits})
            stack.push_async_callback(made.close)
            return made

        yield explorer


@pytest.fixture(scope="module")
def explorer(explorers: Explorers) -> Explorer:
    """An explorer whose workers are played in this process, but for those that must be real."""
    return explorers(processes=explorers(Killed, at_once=1))


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """A function that counts runs and fails with what failed in them."""

    def tell(runs: Sequence[Run]) -> None:
        record_property(EXPLORED, sum(bool(run.strikes) for run in runs))
        record_property(FAILED, sum(run.failed for run in runs))
        failures = report(runs)
        assert not failures, f"\n{failures}"

    return tell
