import subprocess
import sys
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import yaml

from domain.hypervisor import HypervisorSpec
from manifests.contract import LEDGER_QUEUE, LIFECYCLE_QUEUE, hypervisor_queue
from manifests.fleet import Hypervisor, Zone
from manifests.registry import parse
from runtime.services import DYNAMIC_CONFIG
from runtime.settings import PREFIX, Settings
from tests.deploy.compose import ROOT, SERVICES, TEXT, WORKERS, example, variables


def hypervisor() -> HypervisorSpec:
    manifest = parse(yaml.safe_load((ROOT / "deploy/manifests/hypervisor.yaml").read_text()))
    assert isinstance(manifest, Hypervisor)
    return manifest.domain()


def setting_variables() -> set[str]:
    """Return every environment variable the settings are read from."""
    names = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    for field in Settings.model_fields.values():
        alias: Any = field.validation_alias
        names |= {str(choice) for choice in alias.choices} if alias else set()
    return names


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_or_ends_and_is_waited_for(name: str) -> None:
    waited_for = {
        other
        for each in SERVICES.values()
        for other, how in each.get("depends_on", {}).items()
        if how == {"condition": "service_completed_successfully"}
    }
    ends = SERVICES[name]["restart"].startswith("on-failure:") and name in waited_for
    assert ends or "healthcheck" in SERVICES[name]


def test_every_dependency_is_on_a_condition() -> None:
    conditions = {how["condition"] for each in SERVICES.values() for how in each.get("depends_on", {}).values()}
    assert conditions == {"service_healthy", "service_completed_successfully"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_tag_and_comes_from_the_default_registry(name: str) -> None:
    repository, _, tag = SERVICES[name]["image"].partition(":")
    assert tag not in {"", "latest"}
    assert "." not in repository.split("/")[0]


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", WORKERS)
def test_every_workers_command_exists(name: str) -> None:
    command = WORKERS[name]["command"]
    shown = subprocess.run(
        [sys.executable, "-m", *command, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize("name", WORKERS)
def test_every_variable_of_a_worker_is_a_setting(name: str) -> None:
    own = yaml.safe_load(TEXT)["services"][name]["environment"]
    assert set(own) <= setting_variables()


def test_the_example_names_exactly_the_variables_the_file_asks_for() -> None:
    assert set(example()) == set(variables())


def test_the_example_shows_the_defaults_and_leaves_open_what_is_required() -> None:
    shown = {name: "" if how == "?" else text for name, (how, text) in variables().items()}
    assert example() == shown


def test_the_declared_hypervisor_is_the_one_that_is_served() -> None:
    name = hypervisor().name
    assert WORKERS["hypervisor"]["command"] == ["workers", "hypervisor", "--name", name]


def test_the_gateway_reaches_the_guests_of_this_host() -> None:
    """Screens and ports are on the host's loopback; the host's address in the containers' network is known."""
    (network,) = yaml.safe_load(TEXT)["networks"]["default"]["ipam"]["config"]
    assert WORKERS["hypervisor"]["network_mode"] == "host"
    assert WORKERS["hypervisor"]["environment"]["VMFLOW_STREAM_ADDRESS"] == network["gateway"]
    assert ip_address(example()["BRIDGE_ADDRESS"]) in ip_network(example()["BRIDGE_SUBNET"])


def test_the_declared_zone_is_the_hypervisors() -> None:
    zone = parse(yaml.safe_load((ROOT / "deploy/manifests/zone.yaml").read_text()))
    assert isinstance(zone, Zone)
    assert zone.metadata.name == hypervisor().zone


def test_the_hypervisors_folder_has_the_same_path_inside_and_outside() -> None:
    libvirt = hypervisor().libvirt
    assert libvirt is not None
    assert f"{libvirt.directory}:{libvirt.directory}" in WORKERS["hypervisor"]["volumes"]


@pytest.mark.parametrize(
    ("name", "queues"),
    [("lifecycle", [LIFECYCLE_QUEUE, LEDGER_QUEUE]), ("hypervisor", [hypervisor_queue(hypervisor().name)])],
)
def test_a_workers_health_is_that_it_asks_its_queues(name: str, queues: list[str]) -> None:
    test = WORKERS[name]["healthcheck"]["test"]
    assert test == ["CMD", "python", "-m", "deploy.worker_health", *queues]


def test_the_server_departs_from_its_defaults_as_the_development_server_does() -> None:
    configured = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yaml").read_text())
    assert configured == {key: [{"value": value}] for key, value in DYNAMIC_CONFIG.items()}


@pytest.mark.parametrize("script", ["schema.sh", "namespace.sh"])
def test_the_scripts_are_posix_shell(script: str) -> None:
    subprocess.run(["dash", "-n", ROOT / "deploy/temporal" / script], check=True)


def test_no_secret_stands_in_the_file() -> None:
    secrets = [
        value
        for each in SERVICES.values()
        for key, value in each.get("environment", {}).items()
        if "PASSWORD" in key or "PWD" in key
    ]
    assert secrets
    assert all(value.startswith("${POSTGRES_PASSWORD:?") for value in secrets)
