"""Reading the project's own documents."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

_CODE = re.compile(r"`([^`]+)`")


def section(document: str, heading: str) -> str:
    """Return the text under a heading, up to the next one of any level."""
    parts = re.split(rf"^#+ {re.escape(heading)}$", document, flags=re.MULTILINE)
    assert len(parts) == 2, f"{len(parts) - 1} sections are called {heading!r}"
    return re.split(r"^#+ ", parts[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(document: str, heading: str) -> list[list[str]]:
    """Return the rows of the one table under a heading, cell by cell, as they are written."""
    lines = [line for line in section(document, heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(cell: str) -> str:
    """Return what a cell shows as code."""
    found = _CODE.findall(cell)
    assert found, f"nothing is written as code in {cell!r}"
    return str(found[0])


def first_column(document: str, heading: str) -> set[str]:
    """Return what the first column of a table shows as code."""
    return {code(row[0]) for row in rows(document, heading)}
