"""Objects as people read them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from cli.render import Format, age, description, dig, grid, reference, table, text
from manifests.registry import kind_called

VM = kind_called("vs")


def vm(name: str = "web", **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": VM.api_version,
        "kind": VM.kind,
        "metadata": {"name": name, "namespace": "team", "uid": "u-1"},
        "spec": {"runStrategy": "Always"},
        **({"status": status} if status else {}),
    }


def aged(seconds: float) -> dict[str, Any]:
    document = vm()
    born = datetime.now(UTC) - timedelta(seconds=seconds)
    document["metadata"]["creationTimestamp"] = born.strftime("%Y-%m-%dT%H:%M:%SZ")
    return document


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.1, "0s"), (119, "119s"), (121, "2m"), (7199, "119m"), (7201, "2h"), (172799, "47h"), (172801, "2d")],
)
def test_an_age_is_kubectls_short_form(monkeypatch: pytest.MonkeyPatch, seconds: float, shown: str) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)

    class Clock:
        fromisoformat = datetime.fromisoformat

        @staticmethod
        def now(_zone: Any) -> datetime:
            return now

    monkeypatch.setattr("cli.render.datetime", Clock)
    document = vm()
    document["metadata"]["creationTimestamp"] = (now - timedelta(seconds=seconds)).isoformat()
    assert age(document) == shown


def test_an_object_from_the_future_or_without_a_birth_has_no_odd_age() -> None:
    assert age(aged(-90)) == "0s"
    assert age(vm()) == ""


def test_a_table_aligns_its_columns_and_never_folds() -> None:
    long = "x" * 300
    printed = table(VM, [vm("a", printableStatus="Running"), vm(long)]).splitlines()
    assert len(printed) == 3
    assert printed[0].split() == ["NAME", "STATUS", "READY", "IP", "HYPERVISOR", "AGE"]
    assert printed[1].index("Running") == printed[0].index("STATUS")
    assert printed[2] == long


def test_the_table_of_a_vm_shows_readiness_and_its_first_address() -> None:
    up = vm(
        printableStatus="Running",
        conditions=[{"type": "Paused", "status": "False"}, {"type": "Ready", "status": "True"}],
        guest={"addresses": ["10.0.0.2", "fd00::2"]},
        placement={"hypervisor": "local"},
    )
    assert table(VM, [up]).splitlines()[1].split() == ["web", "Running", "True", "10.0.0.2", "local"]


def test_wide_and_all_namespaces_add_columns() -> None:
    head = table(VM, [vm()], wide=True, namespaces=True).splitlines()[0].split()
    assert head[0] == "NAMESPACE"
    assert head[-7:] == ["STRATEGY", "CPUS", "MEMORY", "EXITS", "ASKED", "DOMAIN", "MESSAGE"]
    zones = table(kind_called("zones"), [vm()], namespaces=True).splitlines()[0].split()
    assert zones == ["NAME", "PLACED", "WAITING"]


def test_wide_tells_who_asked_last_and_what_the_guest_has() -> None:
    asked = {"operation": "stop", "by": "root@host", "at": "2026-01-31T12:00:00Z"}
    document = vm(runStrategy="Halted", lastOperation=asked, exits=2, resources={"cpus": 2, "memory": "1Gi"})
    assert table(VM, [document], wide=True).splitlines()[1].split() == [
        *("web", "Halted", "2", "1Gi", "2"),
        *("stop", "by", "root@host"),
    ]


def test_one_object_is_itself_and_several_are_a_list() -> None:
    assert json.loads(text([vm()], Format.JSON, single=True)) == vm()
    listed = yaml.safe_load(text([vm("a"), vm("b")], Format.YAML, single=False))
    assert (listed["kind"], [each["metadata"]["name"] for each in listed["items"]]) == ("List", ["a", "b"])
    assert yaml.safe_load(text([], Format.YAML, single=False))["items"] == []


def test_a_description_starts_with_the_name_and_has_everything() -> None:
    told = yaml.safe_load(description(vm(printableStatus="Stopped")))
    assert list(told)[:2] == ["Name", "Namespace"]
    assert (told["UID"], told["Status"]) == ("u-1", {"printableStatus": "Stopped"})


def test_a_reference_is_what_commands_accept() -> None:
    assert reference(vm()) == "virtualserver/web"


def test_digging_never_fails() -> None:
    assert dig(vm(), "metadata", "name") == "web"
    assert dig(vm(), "status", "guest", "addresses") == ""
    assert dig(vm(), "metadata", "name", "deeper") == ""


def test_a_grid_has_no_blanks_at_its_ends() -> None:
    assert grid([["A", "B"], ["long", ""]]) == "A      B\nlong"
