"""Progress on the terminal: a moving line for a person, one line a change for everything else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.session import interactive, out
from cli.ways import Now

_STEP = 5.0
"""Seconds between lines about the same thing where nobody watches live."""


@contextmanager
def show(name: str) -> Iterator[Callable[[Now], None]]:
    """Give a function that shows what a VM is doing now."""
    with _moving(name) if interactive() else _lines(name) as update:
        yield update


@contextmanager
def _moving(name: str) -> Iterator[Callable[[Now], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task(name, total=None)

        def update(now: Now) -> None:
            text = Text.assemble((now.status, "bold"), " ", now.text, " ", (now.detail[:60], "dim")).markup
            bar.update(task, description=text, total=None if now.fraction is None else 1.0, completed=now.fraction or 0)

        yield update


@contextmanager
def _lines(name: str) -> Iterator[Callable[[Now], None]]:
    began = time.monotonic()
    last = [("", -_STEP)]

    def update(now: Now) -> None:
        seconds = time.monotonic() - began
        told = f"{now.status}: {now.text}"
        shown, at = last[0]
        # Figures inside one stage change all the time: they are worth a line now and then.
        if told != shown and (now.fraction is None or seconds - at >= _STEP):
            out.print(f"{seconds:6.1f} s  {name}  {told}", markup=False)
            last[0] = (told, seconds)

    yield update
