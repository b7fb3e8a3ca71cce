"""This process's own input and output, connected to a guest: a terminal for its console, pipes for a program's."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial

from cli.channels import CHUNK, HALF_CLOSED, Opening, carry

ESCAPE = b"\x1d"
"""Control-], which leaves a console, as in telnet, virsh and virtctl."""

_ANSWERED = 2.0
"""Seconds of silence after which a console is left whose input was no terminal and is at its end."""

_PIECE = 4096
"""Bytes a pipe takes at least when it takes any (PIPE_BUF)."""

_ENDING = (signal.SIGTERM, signal.SIGHUP)


async def console(opened: Opening, name: str) -> None:
    """Connect this terminal to a guest's serial console until the guest hangs up or `^]` is typed."""
    source, sink = sys.stdin.fileno(), sys.stdout.fileno()
    async with opened() as guest:
        linger = 0 if os.isatty(source) else _ANSWERED
        with raw(source):  # from here on no key is lost: only now is anybody asked for one
            sys.stderr.write(f"Connected to the console of {name}. Press Enter for a prompt, Ctrl+] to leave.\r\n")
            sys.stderr.flush()
            carrying = asyncio.create_task(carry(guest, _typed(source), partial(write, sink), linger=linger))
            with _ending(carrying):
                await asyncio.wait({carrying})
        sys.stderr.write("\n")
        if not carrying.cancelled():
            carrying.result()


async def pipe(opened: Opening) -> None:
    """Connect standard input and output to a channel: what `ssh -o ProxyCommand` wants."""
    async with opened() as guest:
        show = partial(write, sys.stdout.fileno())
        await carry(guest, read(sys.stdin.fileno()), show, linger=HALF_CLOSED)


@contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Hand every key to the guest meanwhile, if this is a terminal."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


@contextmanager
def _ending(carrying: "asyncio.Task[None]") -> Iterator[None]:
    """Let signals that end a process end the task instead, so that the terminal is given back as it was."""
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, carrying.cancel)
    try:
        yield
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)


async def read(descriptor: int) -> AsyncIterator[bytes]:
    """Yield what arrives on a file descriptor; no more is read than somebody takes, and no thread waits for it."""
    loop = asyncio.get_running_loop()
    while True:
        await _ready(descriptor, loop.add_reader, loop.remove_reader)
        try:
            data = os.read(descriptor, CHUNK)
        except OSError:  # a terminal that is gone
            return
        if not data:
            return
        yield data


async def write(descriptor: int, data: bytes) -> None:
    """Write to a file descriptor without holding up the loop when nobody reads there."""
    loop = asyncio.get_running_loop()
    while data:
        await _ready(descriptor, loop.add_writer, loop.remove_writer)
        data = data[os.write(descriptor, data[:_PIECE]) :]


async def _typed(descriptor: int) -> AsyncIterator[bytes]:
    """Yield what is typed, until the escape."""
    async for data in read(descriptor):
        before, escape, _ = data.partition(ESCAPE)
        if before:
            yield before
        if escape:
            return


async def _ready(descriptor: int, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
    """Wait until a file descriptor can be used without waiting."""
    ready = asyncio.Event()
    try:
        add(descriptor, ready.set)
    except PermissionError:  # a plain file cannot be waited for, and need not be
        return
    try:
        await ready.wait()
    finally:
        remove(descriptor)
