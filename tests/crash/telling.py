"""What the exploration tells: a line with the sum over all tests, and for every failure how to see it again."""

import os
import shlex
from collections.abc import Generator, Sequence

import pytest

from tests.crash.explorer import Run
from tests.crash.points import Point

EXPLORED, FAILED = "crash points explored", "crash points failed"
AGAIN = "CRASH_POINT"
"""Environment variable that names a life and the points to strike it at: `<life>|<point>+<point>`."""


def chosen() -> tuple[str, tuple[Point, ...]] | None:
    """Return the life and the points somebody wants to see again."""
    if AGAIN not in os.environ:
        return None
    life, _, strikes = os.environ[AGAIN].partition("|")
    return life, tuple(Point.parse(text) for text in strikes.split("+"))


def report(runs: Sequence[Run]) -> str:
    """Return what failed, point by point."""
    return "\n".join(line for run in runs if run.failed for line in _lines(run))


def _lines(run: Run) -> list[str]:
    strikes = "+".join(map(str, run.strikes))
    again = f"{AGAIN}={shlex.quote(f'{run.life}|{strikes}')} bin/test tests/crash -k again"
    return [f"{run.life}: {strikes or 'not struck'}", *(f"    {finding}" for finding in run.findings), f"    {again}"]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Print the sum over all tests, of all processes, as the last line."""
    yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:
        return  # a worker of pytest-xdist: its tests are counted where they are reported
    reports = [each for kind in ("passed", "failed") for each in terminal.getreports(kind) if each.when == "call"]
    told = [pair for each in reports for pair in each.user_properties]
    explored, failed = (sum(count for name, count in told if name == kind) for kind in (EXPLORED, FAILED))
    if explored:
        terminal.write_line(f"crash points: {explored} explored, {failed} failed")
