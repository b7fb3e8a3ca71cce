"""The table of faults names tests that exist, in files where they stand; and every test named by its row is in it."""

import re
from pathlib import Path

import pytest

from tests.docs.documents import DOCS, code, rows

ROOT = DOCS.parent
TABLE = rows((ROOT / "tests/faults/README.md").read_text(), "Faults, and the tests that inject them")
_NAMED = re.compile(r"def (test_fault_(\d\d)_\w+)\(")


def names_in(file: Path) -> set[str]:
    """Return the names of the tests in a file."""
    return set(re.findall(r"def (test_\w+)\(", file.read_text()))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row[0]))
def test_a_test_that_the_table_of_faults_names_exists(row: list[str]) -> None:
    path, _, name = code(row[-1]).partition("::")
    assert name in names_in(ROOT / path)
    told = _NAMED.fullmatch(f"def {name}(")
    assert told is None or int(told[2]) == int(row[0])


@pytest.mark.parametrize("folder", ["tests/faults", "tests/e2e"])
def test_every_test_named_by_a_row_is_in_the_table(folder: str) -> None:
    listed = {code(row[-1]) for row in TABLE}
    named = {f"{folder}/{file.name}::{name}" for file in (ROOT / folder).glob("test_*.py") for name in names_in(file)}
    assert {each for each in named if "::test_fault_" in each} - listed == set()
