"""The Compose file and what belongs to it, as tests read them."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
TEXT = FILE.read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
WORKER_IMAGE = "vmflow-worker:"
WORKERS = {name: service for name, service in SERVICES.items() if service["image"].startswith(WORKER_IMAGE)}

_ASSIGNMENT = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def example() -> dict[str, str]:
    """Return the variables of .env.example."""
    return dict(_ASSIGNMENT.findall((ROOT / ".env.example").read_text()))


def variables() -> dict[str, tuple[str, str]]:
    """Return the variables the Compose file asks for: how (`-` with a default, `?` required) and the text after it."""
    return {name: (how, text) for name, how, text in _VARIABLE.findall(TEXT)}


def instructions(word: str) -> list[list[str]]:
    """Return the arguments of every instruction of that name in the Dockerfile."""
    text = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [line[1:] for line in lines if line and line[0] == word]
