"""Every command a document shows exists, with the options it shows."""

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cli.main import app
from runtime import temporal_server
from runtime.settings import Settings
from tests.docs.documents import DOCS

ROOT = DOCS.parent
VMFLOW = typer.main.get_group(app)
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

_SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_PATH = re.compile(
    r"(?<![\w/.<>-])(?:\.ci|bin|cli|deploy|docs|domain|drivers|images|manifests|runtime|tests|workflows)/[\w*./-]+"
)
_INLINE = re.compile(r"`(bin/vmflow [^`]+)`")


def shown(program: str) -> list[str]:
    """Return every command line of a program that documents show."""
    found = set()
    for document in DOCUMENTS:
        text = document.read_text()
        blocks = "\n".join(_SHELL.findall(text)).replace("\\\n", " ").splitlines()
        found |= {line for line in (*blocks, *_INLINE.findall(text)) if line.split()[:1] == [program]}
    return sorted(found)


@pytest.mark.parametrize("line", shown("bin/vmflow"))
def test_every_vmflow_command_shown_can_be_parsed(line: str) -> None:
    name, *arguments = shlex.split(line)[1:]
    assert VMFLOW.commands[name].make_context(name, arguments).command.name == name


@pytest.fixture(scope="session")
async def temporal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Settings(home=tmp_path_factory.mktemp("home"), external_address=None)
    return await asyncio.to_thread(temporal_server.ensure, settings, print)


@pytest.mark.parametrize("line", shown("temporal"))
def test_every_temporal_command_shown_exists_with_its_options(temporal: Path, line: str) -> None:
    words = shlex.split(line)[1:]
    first = next(index for index, word in enumerate(words) if word.startswith("-"))
    told = subprocess.run([temporal, *words[:first], "--help"], capture_output=True, text=True, check=True).stdout
    assert f"temporal {' '.join(words[:first])}" in told
    assert [word for word in words if word.startswith("-") and not re.search(rf"{word}\b", told)] == []


@pytest.mark.parametrize("line", shown(".venv/bin/python"))
def test_every_python_module_shown_runs(line: str) -> None:
    _, _, module, *rest = shlex.split(line)
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert all(word in told.stdout for word in rest[:1])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def test_every_program_and_file_shown_exists(document: Path) -> None:
    named = {word for code in _CODE.findall(document.read_text()) for word in _PATH.findall(code)}
    assert [name for name in sorted(named) if not list(ROOT.glob(name))] == []
