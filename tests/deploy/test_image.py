"""The workers' image, as far as it can be told without building it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.compose import ROOT, instructions

ENTRIES = (
    "workers.__main__",
    "workers.lifecycle",
    "workers.hypervisor",
    "drivers.libvirt",
    "api.__main__",
    "cli.main",
    "deploy.gateway_health",
    "deploy.worker_health",
)
"""What containers of the image run, and what they load on the way."""

LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for module in list(sys.modules.values()):
    if file := getattr(module, "__file__", None):
        print(file)
"""


def sources() -> list[str]:
    """Return what the Dockerfile copies out of this tree."""
    copies = [each for each in instructions("COPY") if not each[0].startswith("--from")]
    return [source for *given, _ in copies for source in given]


def test_every_base_has_a_tag() -> None:
    bases = [each[0] for each in instructions("FROM")]
    assert bases
    assert all(re.fullmatch(r"[a-z/]+:[\w.-]+", base) and not base.endswith(":latest") for base in bases)


def test_everything_copied_exists() -> None:
    assert [source for source in sources() if not (ROOT / source).exists()] == []


def test_every_package_is_installed_by_its_hash() -> None:
    installs = [line for each in instructions("RUN") for line in " ".join(each).split("&&") if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_what_is_copied_is_all_the_image_needs(tmp_path: Path) -> None:
    for source in sources():
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, target)
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED, *ENTRIES],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    ours = [Path(file) for file in loaded.stdout.splitlines()]
    assert any(file.is_relative_to(tmp_path) for file in ours)
    venv = Path(sys.prefix)
    assert [file for file in ours if file.is_relative_to(ROOT) and not file.is_relative_to(venv)] == []


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {f"{Path(source).parent}/*.lock" if source.endswith(".lock") else source for source in sources()}
    assert allowed == copied
