"""The command line as a process: exit codes, what it says when something is wrong, and completion in a shell."""

import asyncio
import sys
from pathlib import Path

import pytest
import yaml

from runtime.settings import Settings
from tests.e2e.stacks import Said, vmflow
from tests.temporal_server import private_settings


@pytest.fixture
def nowhere(tmp_path: Path) -> Settings:
    """Settings of a home in which nothing runs."""
    return private_settings(tmp_path)


def is_one_line(said: Said, reason: str) -> bool:
    """Tell whether a command has failed with one line for people."""
    lines = said.err.splitlines()
    return said.code == 1 and said.out == "" and len(lines) == 1 and lines[0].startswith(f"Error ({reason}): ")


@pytest.mark.parametrize("command", [["get", "vs"], ["why", "web"], ["delete", "vs", "web"], ["wait", "web"]])
async def test_without_a_temporal_server_a_command_says_what_to_do(nowhere: Settings, command: list[str]) -> None:
    said = await vmflow(nowhere, *command)
    assert is_one_line(said, "TemporalUnreachable"), said
    assert nowhere.temporal_address in said.err
    assert "start it with `vmflow up`" in said.err


async def test_a_server_elsewhere_that_does_not_answer_is_named(nowhere: Settings) -> None:
    said = await vmflow(nowhere, "get", "vs", TEMPORAL_ADDRESS=nowhere.temporal_address)
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


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ([], "Usage: "),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["apply"], "name a manifest"),
        (["delete"], "name a kind and objects"),
        (["delete", "vs"], "name a kind and objects"),
        (["get"], "Missing argument 'KIND'"),
        (["get", "pods"], "there is no kind 'pods'"),
        (["get", "vs", "-o", "xml"], "'--output'"),
        (["describe", "vs/web", "db"], "every object is written as KIND/NAME"),
        (["wait", "web", "--for", "Redy"], "nothing is ever 'Redy'"),
        (["stop", "images/debian"], "images/debian is not a VM"),
        (["console", "web"], "use --log"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_wrong_usage_ends_with_2_and_says_what_is_wrong(nowhere: Settings, command: list[str], says: str) -> None:
    said = await vmflow(nowhere, *command)
    assert said.code == 2
    assert says in said.out + said.err
    assert "Traceback" not in said.err


async def test_the_version_is_told(nowhere: Settings) -> None:
    said = await vmflow(nowhere, "--version")
    assert (said.code, said.out.split()[0]) == (0, "vmflow")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_a_shell_gets_a_completion_script(nowhere: Settings, shell: str) -> None:
    said = await vmflow(nowhere, _VMFLOW_COMPLETE=f"source_{shell}")
    assert said.code == 0
    assert "_VMFLOW_COMPLETE=complete_" in said.out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("vmflow desc", ["describe"]),
        ("vmflow get v", ["virtualservers"]),
        ("vmflow delete im", ["images"]),
        ("vmflow wait web --for Sto", ["Stopped", "Stopping"]),
        ("vmflow get pods x", []),
        ("vmflow stop w", []),
    ],
)
async def test_words_complete_and_trouble_is_silent(nowhere: Settings, words: str, offered: list[str]) -> None:
    said = await completed(nowhere, words)
    assert (said.code, said.out.split(), said.err) == (0, offered, "")


async def completed(settings: Settings, words: str) -> Said:
    """Ask as bash does when somebody presses the tabulator."""
    count = str(len(words.split()) - 1)
    return await vmflow(settings, _VMFLOW_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)


async def test_whoever_reads_may_stop_reading(nowhere: Settings) -> None:
    program = Path(sys.executable).with_name("vmflow")
    process = await asyncio.create_subprocess_shell(
        f"{program} --help | true; echo ${{PIPESTATUS[0]}}",
        executable="/bin/bash",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert out.strip() in {b"0", b"1"}
    assert err == b""
