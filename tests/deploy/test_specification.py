"""The Compose file against the Compose Specification, by the library docker compose itself is built on."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.compose import FILE, SERVICES, TEXT, example

Validate = Callable[..., "subprocess.CompletedProcess[str]"]

MODULE = Path(__file__).with_name("validator")


@pytest.fixture(scope="session")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Validate:
    """Load a Compose file with variables; exit code 0 and the project as JSON, or 1 and the reason."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("building the validator needs Go; install it")
    program = tmp_path_factory.mktemp("validator") / "validator"
    subprocess.run([go, "build", "-mod=readonly", "-o", program, "."], cwd=MODULE, check=True)

    def run(file: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
        settings = [f"{name}={value}" for name, value in variables.items()]
        return subprocess.run([program, file, *settings], capture_output=True, text=True, check=False)

    return run


def test_the_file_is_valid_with_the_example_and_a_password(validate: Validate) -> None:
    loaded = validate(FILE, **{**example(), "POSTGRES_PASSWORD": "secret"})
    assert loaded.returncode == 0, loaded.stderr
    project: dict[str, Any] = json.loads(loaded.stdout)
    assert set(project["services"]) == set(SERVICES)


def test_a_missing_password_is_refused_with_what_to_do(validate: Validate) -> None:
    loaded = validate(FILE, **example())
    assert (loaded.returncode, "set it in .env" in loaded.stderr) == (1, True)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("healthcheck:", "healthchek:"),
        ("condition: service_healthy", "condition: service_well"),
        ("      lifecycle:\n        condition", "      nobody:\n        condition"),
        ("- postgres-data:", "- other-data:"),
    ],
    ids=["an unknown field", "an unknown condition", "an unknown service", "an unknown volume"],
)
def test_the_validator_finds_mistakes(validate: Validate, tmp_path: Path, right: str, wrong: str) -> None:
    assert right in TEXT
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(TEXT.replace(right, wrong, 1))
    assert validate(broken, POSTGRES_PASSWORD="secret").returncode == 1
