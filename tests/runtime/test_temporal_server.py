import os
import subprocess
import sys
from pathlib import Path

import pytest

from domain.problem import Problem, Verdict
from runtime import temporal_server
from runtime.settings import Settings

WORKS = "#!/bin/sh\nexit 0\n"
BUILDS = """#!/bin/sh
echo '#!/bin/sh' > "$GOBIN/temporal"
/bin/chmod +x "$GOBIN/temporal"
"""
BROKEN = "#!/bin/sh\necho 'no such command' >&2\nexit 3\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world without any Temporal program: empty PATH, home and cache, and a network that leads nowhere."""
    bare = tmp_path / "bin"
    bare.mkdir()
    monkeypatch.setenv("PATH", str(bare))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr(temporal_server, "cache", lambda _settings: tmp_path / "cache")
    return tmp_path


def program(file: Path, text: str = WORKS) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def found(world: Path) -> tuple[Path, list[str]]:
    refusals: list[str] = []
    return temporal_server.ensure(Settings(home=world / "home"), refusals.append), refusals


def test_the_program_on_path_comes_first(world: Path) -> None:
    program(world / "go/bin/temporal")
    on_path = program(world / "bin/temporal")
    assert found(world) == (on_path, [])


@pytest.mark.parametrize("place", ["go/bin", "cache", "home/bin"])
def test_a_program_in_a_known_folder_is_found(world: Path, place: str) -> None:
    path, refusals = found_in(world, place)
    assert path == world / place / "temporal"
    assert refusals[0] == "PATH: has no program called temporal"


def found_in(world: Path, place: str) -> tuple[Path, list[str]]:
    program(world / place / "temporal")
    return found(world)


def test_a_program_that_does_not_work_is_refused_in_one_line_and_the_next_is_asked(world: Path) -> None:
    program(world / "bin/temporal", BROKEN)
    path, refusals = found_in(world, "cache")
    assert path == world / "cache/temporal"
    assert refusals[0] == "PATH: temporal ended with status 3: no such command"


def test_without_any_source_the_problem_says_what_to_do(world: Path) -> None:
    refusals: list[str] = []
    with pytest.raises(Problem) as caught:
        temporal_server.ensure(Settings(home=world / "home"), refusals.append)
    assert (caught.value.reason, caught.value.verdict) == ("TemporalServerMissing", Verdict.TERMINAL)
    assert "TEMPORAL_ADDRESS" in caught.value.message
    assert [refusal.partition(":")[0] for refusal in refusals[-2:]] == ["the SDK's download", "go install"]
    assert all("\n" not in refusal for refusal in refusals)


def test_a_host_that_cannot_be_reached_is_named(world: Path) -> None:
    with pytest.raises(temporal_server.Refusal, match=r"https://temporal\.download/ cannot be reached"):
        temporal_server._download(world / "cache")


def test_go_builds_into_the_cache_and_leaves_nothing_beside(world: Path) -> None:
    program(world / "bin/go", BUILDS)
    path, refusals = found(world)
    assert path == world / "cache/temporal"
    assert [file.name for file in (world / "cache").iterdir()] == ["temporal"]
    assert refusals[-1].startswith(f"go install: builds {temporal_server.GO_MODULE}")


def test_a_build_that_fails_shows_its_last_line_and_leaves_nothing(world: Path) -> None:
    program(world / "bin/go", "#!/bin/sh\necho downloading >&2\necho 'module not found' >&2\nexit 1\n")
    with pytest.raises(temporal_server.Refusal, match=r"go ended with status 1: module not found"):
        temporal_server._go_install(world / "cache", print)
    assert list((world / "cache").iterdir()) == []


def test_a_program_that_hangs_is_broken_off(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporal_server, "_PROOF_SECONDS", 0.2)
    program(world / "bin/temporal", "#!/bin/sh\nexec /bin/sleep 600\n")
    _, refusals = found_in(world, "cache")
    assert refusals[0].endswith("did not finish within 0.2 s")


def test_the_download_s_one_program_is_published_under_its_name(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_arguments: object, **_options: object) -> None:
        """Stand for a host that answers."""

    def downloaded(argv: list[str], _seconds: float) -> None:
        program(Path(argv[-1]) / "temporal-sdk-python-1.35.0")

    monkeypatch.setattr("runtime.temporal_server.httpx.head", reached)
    monkeypatch.setattr(temporal_server, "_run", downloaded)
    assert temporal_server._download(world / "cache") == world / "cache/temporal"
    assert [file.name for file in (world / "cache").iterdir()] == ["temporal"]


def test_a_download_that_leaves_no_program_is_refused(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.temporal_server.httpx.head", lambda *_a, **_o: None)
    monkeypatch.setattr(temporal_server, "_run", lambda *_a: None)
    with pytest.raises(temporal_server.Refusal, match="left 0 programs"):
        temporal_server._download(world / "cache")


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "runtime.temporal_server", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **env}, check=False)


def test_the_command_prints_a_program_that_is_there() -> None:
    outcome = command("ensure")
    assert outcome.returncode == 0
    assert os.access(outcome.stdout.strip(), os.X_OK)


def test_with_an_address_the_command_prints_it_and_looks_for_nothing() -> None:
    outcome = command("ensure", TEMPORAL_ADDRESS="temporal.example:7233", PATH="")
    assert (outcome.stdout, outcome.stderr) == ("temporal.example:7233\n", "")


def test_without_any_source_the_command_fails_with_one_sentence(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VMFLOW_HOME", str(world / "home"))
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    with pytest.raises(SystemExit, match="no source provides"):
        temporal_server.main(["ensure"])
    assert capsys.readouterr().out == ""


def test_other_arguments_print_the_usage() -> None:
    outcome = command("remove")
    assert outcome.returncode != 0
    assert "usage" in outcome.stderr
