import os
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests.registry import parse
from runtime import machine
from runtime.machine import machine_manifests, routes
from runtime.settings import Settings

TABLE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
vmflow0\t0000E70A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Return the settings of the default home, which for the test is somewhere harmless."""
    monkeypatch.setattr(machine, "default_home", lambda: tmp_path / "default")
    return Settings(home=tmp_path / "default")


@pytest.fixture
def other(default: Settings, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "other")


def taken(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, str]) -> None:
    monkeypatch.setattr(machine, "routes", lambda _text: [(name, IPv4Network(cidr)) for name, cidr in found])


def libvirt(settings: Settings) -> dict[str, Any]:
    section: dict[str, Any] = machine_manifests(settings)[1]["spec"]["libvirt"]
    return section


@pytest.mark.parametrize("kind", ["libvirt", "simulator", "none"])
def test_the_manifests_are_valid(tmp_path: Path, kind: Any) -> None:
    kinds = [parse(document).kind for document in machine_manifests(Settings(home=tmp_path, hypervisor=kind))]
    assert kinds == (["Zone"] if kind == "none" else ["Zone", "Hypervisor"])


def test_the_default_home_gets_the_plain_names(monkeypatch: pytest.MonkeyPatch, default: Settings) -> None:
    taken(monkeypatch)
    assert libvirt(default) == {
        "uri": "qemu:///system",
        "directory": str(default.home / "hypervisor"),
        "pool": "vmflow",
        "network": {"kind": "nat", "name": "vmflow", "bridge": "vmflow0", "subnet": "10.231.0.0/24"},
    }


def test_another_home_shares_nothing_with_the_default_one(default: Settings, other: Settings) -> None:
    ours, theirs = libvirt(default), libvirt(other)
    assert ours["pool"] != theirs["pool"]
    assert ours["directory"] != theirs["directory"]
    for key in ("name", "bridge", "subnet"):
        assert ours["network"][key] != theirs["network"][key]


def test_a_bridge_s_name_is_one_the_kernel_accepts(other: Settings) -> None:
    assert len(libvirt(other)["network"]["bridge"]) <= 15


def test_a_user_gets_the_session_daemon_and_user_networking(monkeypatch: pytest.MonkeyPatch, other: Settings) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert libvirt(other)["uri"] == "qemu:///session"
    assert libvirt(other)["network"] == {"kind": "user"}


def test_a_subnet_that_is_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch, default: Settings) -> None:
    taken(monkeypatch, ("tun0", "10.230.0.0/15"), ("eth1", "10.232.0.0/24"))
    assert libvirt(default)["network"]["subnet"] == "10.232.1.0/24"


def test_our_own_bridge_does_not_count_as_use(monkeypatch: pytest.MonkeyPatch, default: Settings) -> None:
    taken(monkeypatch, ("vmflow0", "10.231.0.0/24"))
    assert libvirt(default)["network"]["subnet"] == "10.231.0.0/24"


def test_the_first_choice_is_kept_when_routes_change(monkeypatch: pytest.MonkeyPatch, other: Settings) -> None:
    first = libvirt(other)
    taken(monkeypatch, ("tun0", first["network"]["subnet"]))
    assert libvirt(other) == first


def test_what_an_operator_changes_stays(default: Settings) -> None:
    machine_manifests(default)
    file = default.manifests / "hypervisor.yaml"
    file.write_text(file.read_text().replace("zone: local", "zone: cellar"))
    assert machine_manifests(default)[1]["spec"]["zone"] == "cellar"


def test_another_driver_gets_a_new_manifest(default: Settings) -> None:
    machine_manifests(default)
    simulated = Settings(home=default.home, hypervisor="simulator")
    assert set(machine_manifests(simulated)[1]["spec"]) == {"zone", "simulator"}


def test_the_hypervisor_may_be_called_otherwise(default: Settings) -> None:
    machine_manifests(default)
    named = Settings(home=default.home, hypervisor_name="cellar")
    assert machine_manifests(named)[1]["metadata"]["name"] == "cellar"


def test_the_files_hold_the_manifests_and_nothing_else_is_left(default: Settings) -> None:
    manifests = machine_manifests(default)
    assert sorted(file.name for file in default.manifests.iterdir()) == ["hypervisor.yaml", "zone.yaml"]
    assert yaml.safe_load((default.manifests / "zone.yaml").read_text()) == manifests[0]
    assert yaml.safe_load((default.manifests / "hypervisor.yaml").read_text()) == manifests[1]


def test_the_kernel_s_routes_are_read_without_the_default_one() -> None:
    assert list(routes(TABLE)) == [
        ("eth0", IPv4Network("192.0.2.0/24")),
        ("vmflow0", IPv4Network("10.231.0.0/24")),
    ]
