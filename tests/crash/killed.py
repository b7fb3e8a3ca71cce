"""Workers in processes of their own, which are killed with SIGKILL.

A worker asks the stage over a local socket: a line of JSON for each question, and the answer on the same connection. To
one that is to die there is no answer.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import tempfile
from contextlib import AsyncExitStack
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from domain.model import Value
from tests.crash import haste
from tests.crash.crews import Post, serving
from tests.crash.striking import Cue, Gone, Order, Reach, Sight

PRELOADED = ["tests.crash.killed"]
_WITHIN = 60.0
"""Seconds a process may take to come to work, or to be over."""


class Question(Value):
    """What a worker asks its stage."""

    sight: Sight
    cue: Cue


class Killed:
    """A worker's process."""

    def __init__(self, post: Post, reach: Reach) -> None:
        self._post = post
        self._reach = reach
        self._stack = AsyncExitStack()
        self.exitcode: int | None = None

    async def start(self) -> None:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vmflow-crash-"))
        stage = Path(folder, "stage")
        self._server = await asyncio.start_unix_server(self._answer, stage)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        ready, tell = context.Pipe(duplex=False)
        self._process: ForkServerProcess = context.Process(
            target=_work, args=(self._post.model_dump_json(), str(stage), tell)
        )
        await asyncio.to_thread(self._process.start)
        tell.close()
        came = await asyncio.to_thread(ready.poll, _WITHIN)
        ready.close()
        if not came:
            raise TimeoutError("the worker's process did not come to work")

    def kill(self) -> None:
        if self._process.pid is not None:
            os.kill(self._process.pid, signal.SIGKILL)

    async def leave(self) -> None:
        if self._process.exitcode is None:
            self._process.terminate()
        await asyncio.to_thread(self._process.join, _WITHIN)
        self.exitcode = self._process.exitcode
        self._process.close()
        self._server.close()
        await self._stack.aclose()

    async def _answer(self, asking: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        with contextlib.closing(answering):
            question = Question.model_validate_json(await asking.readline())
            try:
                order = await self._reach(question.sight, question.cue)
            except Gone:
                return
            answering.write(f"{order}\n".encode())
            with contextlib.suppress(ConnectionError):  # whoever asked was killed meanwhile
                await answering.drain()


def _work(post: str, stage: str, ready: "multiprocessing.connection.Connection") -> None:
    haste.hurry()
    asyncio.run(_serve(Post.model_validate_json(post), stage, ready))


async def _serve(post: Post, stage: str, ready: "multiprocessing.connection.Connection") -> None:
    async def ask(sight: Sight, cue: Cue) -> Order:
        asking, answering = await asyncio.open_unix_connection(stage)
        with contextlib.closing(answering):
            answering.write(Question(sight=sight, cue=cue).model_dump_json().encode() + b"\n")
            answer = (await asking.readline()).decode().strip()
        if not answer:
            raise Gone
        return Order(answer)

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serving(post, post.address, ask):
        ready.send("serving")
        await stop.wait()
