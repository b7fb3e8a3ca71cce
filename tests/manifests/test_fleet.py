"""Zones and hypervisors: where VMs may live."""

from typing import Any

import pytest

from domain import hypervisor as domain
from manifests.fleet import Hypervisor, Zone
from manifests.registry import parse
from tests.manifests.examples import Document, at, hypervisor, refused

SIMULATED = hypervisor(simulator={"directory": "/var/lib/vmflow"})
LIBVIRT = {"uri": "qemu:///system", "directory": "/var/lib/vmflow"}


def declared(document: Document) -> domain.HypervisorSpec:
    manifest = parse(document)
    assert isinstance(manifest, Hypervisor)
    return manifest.domain()


def test_a_zone_needs_no_settings() -> None:
    manifest = parse({"apiVersion": "vmflow.dev/v1alpha1", "kind": "Zone", "metadata": {"name": "z1"}})
    assert isinstance(manifest, Zone)
    assert manifest.document()["spec"] == {}


def test_a_zone_has_no_settings_yet() -> None:
    document = {"apiVersion": "vmflow.dev/v1alpha1", "kind": "Zone", "metadata": {"name": "z1"}, "spec": {"x": 1}}
    assert refused(document) == {"spec.x": "unknown field"}


def test_a_simulated_hypervisor_has_sizes_of_its_own() -> None:
    assert declared(SIMULATED) == domain.HypervisorSpec(
        name="h1",
        zone="z1",
        simulator=domain.SimulatorSpec(directory="/var/lib/vmflow", cpus=64, memory=256 * 2**30),
    )


def test_everything_a_simulator_can_be_told_reaches_the_domain() -> None:
    section = {"directory": "/d", "bootSeconds": 1.5, "shutdownSeconds": 2, "cpus": 4, "memory": "8Gi"}
    assert declared(hypervisor(simulator=section)).simulator == domain.SimulatorSpec(
        directory="/d", boot_seconds=1.5, shutdown_seconds=2.0, cpus=4, memory=8 * 2**30
    )


def test_a_libvirt_host_has_a_nat_network_unless_told_otherwise() -> None:
    assert declared(hypervisor(libvirt=LIBVIRT)).libvirt == domain.LibvirtSpec(
        uri="qemu:///system", directory="/var/lib/vmflow", pool="vmflow", network=domain.NatNetwork()
    )


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ({"kind": "user"}, domain.UserNetwork(listen="127.0.0.1")),
        ({"kind": "user", "listen": "192.0.2.7"}, domain.UserNetwork(listen="192.0.2.7")),
        (
            {"kind": "nat", "name": "lab", "bridge": "lab0", "subnet": "192.0.2.0/24"},
            domain.NatNetwork(name="lab", bridge="lab0", subnet="192.0.2.0/24"),
        ),
    ],
)
def test_a_libvirt_host_has_the_network_it_is_told(written: dict[str, str], network: object) -> None:
    libvirt = declared(hypervisor(libvirt={**LIBVIRT, "network": written})).libvirt
    assert libvirt is not None
    assert libvirt.network == network


def test_a_declared_capacity_is_counted_in_bytes() -> None:
    spec = declared(at(SIMULATED, "spec.capacity", {"cpus": 4, "memory": "8Gi"}))
    assert spec.capacity == domain.Capacity(cpus=4, memory=8 * 2**30)


@pytest.mark.parametrize("sections", [{}, {"libvirt": LIBVIRT, "simulator": {"directory": "/d"}}])
def test_a_hypervisor_has_exactly_one_driver(sections: dict[str, Any]) -> None:
    assert refused(hypervisor(**sections)) == {"spec": "name exactly one driver: libvirt or simulator"}


NETWORK = "spec.libvirt.network"


@pytest.mark.parametrize(
    ("network", "field"),
    [
        ({"kind": "bridge"}, NETWORK),
        ({"name": "no-kind"}, NETWORK),
        ({"kind": "nat", "subnet": "10.231.0.0/16"}, f"{NETWORK}.subnet"),
        ({"kind": "nat", "subnet": "10.231.0.7/24"}, f"{NETWORK}.subnet"),
        ({"kind": "nat", "subnet": "999.0.0.0/24"}, f"{NETWORK}.subnet"),
        ({"kind": "nat", "bridge": "a-bridge-too-long"}, f"{NETWORK}.bridge"),
        ({"kind": "nat", "bridge": "br0'/><x"}, f"{NETWORK}.bridge"),
        ({"kind": "nat", "listen": "127.0.0.1"}, f"{NETWORK}.listen"),
        ({"kind": "user", "listen": "localhost"}, f"{NETWORK}.listen"),
        ({"kind": "user", "listen": "127.0.0.1:22,hostfwd=x"}, f"{NETWORK}.listen"),
    ],
)
def test_a_network_that_cannot_be_is_refused_by_its_field(network: dict[str, str], field: str) -> None:
    assert list(refused(hypervisor(libvirt={**LIBVIRT, "network": network}))) == [field]


@pytest.mark.parametrize("directory", ["relative", "", "/a/../b", "/a\nb", "/a\0b"])
def test_a_directory_is_absolute_and_on_one_line(directory: str) -> None:
    assert list(refused(at(SIMULATED, "spec.simulator.directory", directory))) == ["spec.simulator.directory"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spec.simulator.bootSeconds", -1),
        ("spec.simulator.bootSeconds", float("inf")),
        ("spec.simulator.shutdownSeconds", float("nan")),
        ("spec.simulator.cpus", 0),
        ("spec.simulator.memory", "none"),
        ("spec.capacity", {"cpus": 1}),
        ("spec.cpuOvercommit", 0),
        ("spec.cpuOvercommit", True),
        ("spec.zone", "../z"),
        ("spec.libvirt.uri", "qemu:///system\n"),
        ("spec.vsphere", {}),
    ],
)
def test_what_a_hypervisor_may_not_say(field: str, value: object) -> None:
    (blamed,) = refused(at(hypervisor(libvirt=LIBVIRT) if ".libvirt" in field else SIMULATED, field, value))
    assert blamed.startswith(field)
