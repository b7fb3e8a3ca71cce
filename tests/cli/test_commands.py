"""The command line where nothing runs: exit codes, what it says when something is wrong, and completion in a shell."""

import asyncio
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from runtime.settings import Settings
from tests.cli.saying import completed, is_one_line
from tests.e2e.stacks import vmflow
from tests.temporal_server import private_settings


@pytest.fixture
def nowhere(tmp_path: Path) -> Settings:
    """Settings of a home in which nothing runs."""
    return private_settings(tmp_path)


async def test_without_a_temporal_server_a_command_says_what_to_do(nowhere: Settings) -> None:
    said = await vmflow(nowhere, "get", "vs")
    assert is_one_line(said, "TemporalUnreachable"), said
    assert nowhere.temporal_address in said.err
    assert "start it with `vmflow up`" in said.err


async def test_a_server_elsewhere_that_does_not_answer_is_named(nowhere: Settings) -> None:
    said = await vmflow(nowhere, "why", "web", TEMPORAL_ADDRESS=nowhere.temporal_address)
    assert is_one_line(said, "TemporalUnreachable"), said
    assert "check TEMPORAL_ADDRESS" in said.err


async def test_settings_that_cannot_be_are_named_by_their_variable(nowhere: Settings) -> None:
    said = await vmflow(nowhere, "get", "vs", VMFLOW_UI_PORT="many")
    assert is_one_line(said, "InvalidSettings"), said
    assert "VMFLOW_UI_PORT: " in said.err


async def test_a_bad_manifest_needs_no_server_to_be_refused(nowhere: Settings, tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod"}))
    said = await vmflow(nowhere, "apply", "-f", str(file))
    assert is_one_line(said, "InvalidManifest"), said
    assert f"{file}: kind: no kind 'Pod' of 'v1'" in said.err


async def test_the_status_of_a_stack_that_does_not_run_ends_with_3(nowhere: Settings) -> None:
    said = await vmflow(nowhere, "status")
    assert (said.code, said.err) == (3, "")
    assert [line.split()[1] for line in said.out.splitlines()[1:]] == ["stopped"] * (len(said.out.splitlines()) - 1)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("frobnicate", "No such command 'frobnicate'"),
        ("apply", "name a manifest"),
        ("delete", "name a kind and objects"),
        ("delete vs", "name a kind and objects"),
        ("get", "Missing argument 'KIND'"),
        ("get pods", "there is no kind 'pods'"),
        ("get vs -o xml", "'--output'"),
        ("describe vs/web db", "every object is written as KIND/NAME"),
        ("wait web --for Redy", "nothing is ever 'Redy'"),
        ("stop images/debian", "images/debian is not a VM"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(command: str, says: str) -> None:
    said = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, command.split())
    assert said.exit_code == 2
    assert says in said.stderr


def test_the_version_is_told() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.stdout.split()[0]) == (0, "vmflow")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_completion_script(shell: str) -> None:
    said = CliRunner(env={"_VMFLOW_COMPLETE": f"source_{shell}"}).invoke(app, [], prog_name="vmflow")
    assert said.exit_code == 0
    assert "_VMFLOW_COMPLETE=complete_" in said.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("vmflow desc", ["describe"]),
        ("vmflow get v", ["virtualservers"]),
        ("vmflow delete im", ["images"]),
        ("vmflow wait web --for Sto", ["Stopped", "Stopping"]),
        ("vmflow get pods x", []),
    ],
)
def test_words_complete(words: str, offered: list[str]) -> None:
    count = str(len(words.split()) - 1)
    shell = {"_VMFLOW_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count}
    said = CliRunner(env=shell).invoke(app, [], prog_name="vmflow")
    assert (said.exit_code, said.stdout.split(), said.stderr) == (0, offered, "")


async def test_trouble_while_a_name_completes_is_silent(nowhere: Settings) -> None:
    said = await completed(nowhere, "vmflow stop w")
    assert (said.code, said.out.strip(), said.err) == (0, "", "")


async def test_whoever_reads_may_stop_reading() -> None:
    program = Path(sys.executable).with_name("vmflow")
    process = await asyncio.create_subprocess_shell(
        f"{program} --help | true",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await process.communicate() == (b"", b"")
