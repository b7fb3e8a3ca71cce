"""Figures that tests measure, told at the end of a run: in a row, under the name of their test, also with pytest-xdist.

Import both names in tests/conftest.py.
"""

from collections.abc import Callable

import pytest

_FIGURE = "figure"


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function that takes a line with a figure."""
    return lambda line: record_property(_FIGURE, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of all tests."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    lines = [
        (report.nodeid, line)
        for report in reports
        if report.when == "call"
        for name, line in report.user_properties
        if name == _FIGURE
    ]
    if lines:
        terminalreporter.section("figures")
    for test, line in sorted(lines):
        terminalreporter.write_line(f"{test}: {line}")
