"""What is to be built: plans, addresses, image keys, and what a hypervisor can offer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.guest import GuestPlan, Shape, default_mac
from domain.hypervisor import Capacity, HypervisorFacts, HypervisorSpec, SimulatorSpec, claimable
from domain.image import ImageSource, image_key
from domain.machine import guest_plan
from domain.names import domain_name
from tests.domain.examples import GIB, SPEC, UID

URL = "https://images.example/debian.qcow2"
FACTS = HypervisorFacts(
    uuid=UID,
    driver="libvirt",
    version="9.0.0",
    accelerator="tcg",
    accelerator_reason="no /dev/kvm",
    cpus=8,
    memory=32 * GIB,
)


def test_a_plan_holds_everything_a_driver_needs() -> None:
    spec = SPEC.model_copy(update={"user_data": "#cloud-config\n", "tcp": (80,), "udp": (53,), "cpu_model": "Conroe"})
    assert guest_plan(spec, UID) == GuestPlan(
        uid=UID,
        name=domain_name("web", UID),
        owner="team/web",
        hostname="web",
        cpus=2,
        memory=4 * GIB,
        max_cpus=2,
        max_memory=4 * GIB,
        cpu_model="Conroe",
        disk=20 * GIB,
        image=image_key("team", SPEC.source),
        user_data="#cloud-config\n",
        mac=default_mac(UID),
        tcp=(80,),
        udp=(53,),
    )


@pytest.mark.parametrize(
    ("declared", "planned"),
    [((0, 0), (2, 4 * GIB)), ((1, GIB), (2, 4 * GIB)), ((8, 16 * GIB), (8, 16 * GIB))],
)
def test_a_guest_can_grow_as_far_as_is_declared_and_no_less_than_it_has(
    declared: tuple[int, int], planned: tuple[int, int]
) -> None:
    spec = SPEC.model_copy(update=dict(zip(("max_cpus", "max_memory"), declared, strict=True)))
    plan = guest_plan(spec, UID)
    assert (plan.max_cpus, plan.max_memory) == planned


def test_a_name_that_is_taken_grows() -> None:
    assert guest_plan(SPEC, UID, suffix=6).name == domain_name("web", UID, length=6)


def test_a_shape_is_what_can_change_while_a_guest_runs_and_its_ports_are_in_order() -> None:
    plan = guest_plan(SPEC.model_copy(update={"tcp": (443, 80), "udp": (53, 5)}), UID)
    assert plan.shape == Shape(cpus=2, memory=4 * GIB, disk=20 * GIB, tcp=(80, 443), udp=(5, 53))


FIXED = {"name": "db", "cpu_model": "Conroe", "user_data": "#cloud-config\n", "mac": "02:00:00:00:00:01"}
FREE: dict[str, object] = {
    "cpus": 3,
    "memory": GIB,
    "max_cpus": 9,
    "max_memory": 9 * GIB,
    "disk": 30 * GIB,
    "tcp": (80,),
}


@pytest.mark.parametrize("field", FIXED)
def test_what_takes_effect_at_a_power_on_only_is_another_build(field: str) -> None:
    other = guest_plan(SPEC.model_copy(update={field: FIXED[field]}), UID)
    assert other.build != guest_plan(SPEC, UID).build


@pytest.mark.parametrize("field", FREE)
def test_what_can_change_while_a_guest_runs_is_no_other_build(field: str) -> None:
    other = guest_plan(SPEC.model_copy(update={field: FREE[field]}), UID)
    assert other.build == guest_plan(SPEC, UID).build


def test_neither_is_another_name_of_the_domain() -> None:
    assert guest_plan(SPEC, UID, suffix=9).build == guest_plan(SPEC, UID).build


def test_an_address_the_user_chose_is_kept() -> None:
    assert guest_plan(SPEC.model_copy(update={"mac": "02:00:00:00:00:01"}), UID).mac == "02:00:00:00:00:01"


@given(st.uuids().map(str))
def test_a_default_address_is_stable_unicast_and_locally_administered(uid: str) -> None:
    mac = default_mac(uid)
    first, *rest = bytes.fromhex(mac.replace(":", ""))
    assert mac == default_mac(uid)
    assert len(rest) == 5
    assert first & 0b11 == 0b10


def test_an_image_has_one_key_however_often_it_is_asked_for() -> None:
    key = image_key("team", ImageSource(url=URL))
    assert key == image_key("team", ImageSource(url=URL))
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("namespace", "source"),
    [
        ("other", ImageSource(url=URL)),
        ("team", ImageSource(url=URL + "?v=2")),
        ("team", ImageSource(url=URL, checksum="sha256:" + "0" * 64)),
    ],
)
def test_another_namespace_source_or_checksum_is_another_image(namespace: str, source: ImageSource) -> None:
    assert image_key(namespace, source) != image_key("team", ImageSource(url=URL))


def test_a_hypervisor_offers_its_threads_overcommitted_and_its_memory_not() -> None:
    spec = HypervisorSpec(name="h1", zone="z1", simulator=SimulatorSpec(directory="/d"), cpu_overcommit=4)
    assert claimable(spec, FACTS) == Capacity(cpus=32, memory=32 * GIB)


def test_a_declared_capacity_is_what_it_offers() -> None:
    declared = Capacity(cpus=3, memory=GIB)
    assert claimable(HypervisorSpec(name="h1", zone="z1", capacity=declared), FACTS) == declared


def test_values_are_frozen_and_know_their_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SPEC.name = "other"  # type: ignore[misc] # that it is refused is the point
    with pytest.raises(ValidationError, match="Extra inputs"):
        ImageSource.model_validate({"url": URL, "sha": "1"})
