"""docs/settings.md names every setting, and its default."""

from runtime.settings import PREFIX, Settings
from tests.docs.documents import DOCS, code, rows

ROWS = rows((DOCS / "settings.md").read_text(), "Settings")
OF_THE_MACHINE = {"home"}
"""Settings whose default depends on who asks."""


def variable(name: str) -> str:
    return "TEMPORAL_ADDRESS" if name == "external_address" else f"{PREFIX}{name.upper()}"


def test_every_setting_is_documented_and_no_other() -> None:
    assert {code(row[0]) for row in ROWS} == {variable(name) for name in Settings.model_fields}


def test_every_default_is_documented() -> None:
    documented = {code(row[0]): row[1] for row in ROWS}
    for name, field in Settings.model_fields.items():
        if name not in OF_THE_MACHINE:
            shown, default = documented[variable(name)], field.get_default(call_default_factory=True)
            assert shown.startswith("none") if default in (None, []) else code(shown) == str(default), name
