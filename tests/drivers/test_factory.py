"""Choosing a driver."""

import subprocess
import sys
from pathlib import Path

import pytest

from domain.hypervisor import HypervisorSpec, LibvirtSpec, SimulatorSpec
from domain.problem import Problem, Verdict
from drivers import factory
from drivers.factory import DRIVERS, open_driver
from drivers.simulator import SimulatorDriver


def test_the_section_that_is_set_chooses_the_driver(tmp_path: Path) -> None:
    spec = HypervisorSpec(name="h1", zone="a", simulator=SimulatorSpec(directory=str(tmp_path)))
    driver = open_driver(spec)
    assert isinstance(driver, SimulatorDriver)
    assert driver.images == tmp_path / "images"
    driver.close()


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {
            "simulator": SimulatorSpec(directory="/nowhere"),
            "libvirt": LibvirtSpec(uri="test:///default", directory="/nowhere"),
        },
    ],
    ids=["none", "two"],
)
def test_a_hypervisor_has_exactly_one_driver_section(sections: dict[str, object]) -> None:
    with pytest.raises(Problem) as caught:
        open_driver(HypervisorSpec.model_validate({"name": "h1", "zone": "a", **sections}))
    assert (caught.value.reason, caught.value.verdict) == ("InvalidHypervisor", Verdict.TERMINAL)
    assert caught.value.field == "h1"


def test_every_driver_section_of_a_hypervisor_has_a_driver() -> None:
    assert set(DRIVERS) == set(HypervisorSpec.model_fields) - {"name", "zone", "capacity", "cpu_overcommit"}


def test_a_driver_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(factory.DRIVERS, "simulator", "drivers.missing:Driver")
    spec = HypervisorSpec(name="h1", zone="a", simulator=SimulatorSpec(directory="/nowhere"))
    with pytest.raises(Problem) as caught:
        open_driver(spec)
    assert (caught.value.reason, caught.value.verdict) == ("DriverUnavailable", Verdict.TERMINAL)


def test_the_simulator_needs_no_libvirt() -> None:
    code = (
        "import sys; sys.modules['libvirt'] = None\n"
        "from domain.hypervisor import HypervisorSpec, SimulatorSpec\n"
        "from drivers.factory import open_driver\n"
        "open_driver(HypervisorSpec(name='h', zone='z', simulator=SimulatorSpec(directory='/nowhere')))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
