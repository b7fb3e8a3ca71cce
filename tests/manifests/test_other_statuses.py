"""Statuses of images, hypervisors and zones as people read them."""

import json

import pytest

from domain.guest import Power
from domain.hypervisor import Capacity, HypervisorFacts, Orphan
from domain.life import Hold
from domain.placement import Claim, Ledger, Member, join, place
from manifests.status import Copy, CopyState, ImageStatus, hypervisor_status, image_status, zone_status
from tests.domain.examples import IMAGE

GIB = 2**30
IMPORTING, READY, FAILED = (Copy(state=state) for state in CopyState)

FACTS = HypervisorFacts(
    uuid="8c3a4f5e",
    driver="libvirt",
    version="9.0.0",
    accelerator="tcg",
    accelerator_reason="no /dev/kvm",
    cpus=8,
    memory=32 * GIB,
)
HOLD = Hold(reason="HypervisorUnreachable", message="the connection was refused")


@pytest.mark.parametrize(
    ("copies", "word"),
    [
        ({}, "Idle"),
        ({"h1": IMPORTING}, "Importing"),
        ({"h1": FAILED}, "Failed"),
        ({"h1": FAILED, "h2": IMPORTING}, "Importing"),
        ({"h1": FAILED, "h2": READY, "h3": IMPORTING}, "Ready"),
    ],
)
def test_an_image_is_told_by_its_best_copy(copies: dict[str, Copy], word: str) -> None:
    assert image_status(copies, deleting=False)["printableStatus"] == word
    assert image_status(copies, deleting=True)["printableStatus"] == "Terminating"


def test_an_images_facts_are_told_in_camel_case_and_read_back() -> None:
    copies = {"h1": Copy(state=CopyState.READY, facts=IMAGE), "h2": Copy(state=CopyState.FAILED, reason="DiskFull")}
    document = json.loads(json.dumps(image_status(copies, deleting=False)))
    assert document["copies"]["h1"]["facts"]["virtualSize"] == IMAGE.virtual_size
    assert not any("_" in key for key in document["copies"]["h1"]["facts"])
    read = ImageStatus.model_validate(document)
    assert read.copies == copies
    facts = read.copies["h1"].facts
    assert facts is not None
    assert facts.model_dump() == IMAGE.model_dump()


@pytest.mark.parametrize(
    ("facts", "hold", "told"),
    [
        (None, None, ("NotReady", "Connecting", "waiting for its worker")),
        (FACTS, None, ("Ready", "Watching", "guests are watched")),
        (None, HOLD, ("NotReady", "HypervisorUnreachable", "the connection was refused")),
        (FACTS, HOLD, ("NotReady", "HypervisorUnreachable", "the connection was refused")),
    ],
)
def test_a_hypervisor_says_whether_it_is_ready_and_why_not(
    facts: HypervisorFacts | None,
    hold: Hold | None,
    told: tuple[str, str, str],
) -> None:
    status = hypervisor_status(facts, hold)
    assert (status["printableStatus"], status["reason"], status["message"]) == told
    assert ("facts" in status) is (facts is not None)


def test_orphans_are_shown_and_make_a_hypervisor_no_less_ready() -> None:
    orphans = (Orphan(uid="u1", owner="team/web", power=Power.OFF, trouble="none"),)
    status = hypervisor_status(FACTS, None, orphans)
    assert (status["printableStatus"], status["reason"]) == ("Ready", "OrphanedDomains")
    assert status["message"] == "domains that belong to no VM: 1; see vmflow orphans"
    assert status["orphans"] == [{"uid": "u1", "owner": "team/web", "power": "Off", "trouble": "none"}]
    assert hypervisor_status(FACTS, HOLD, orphans)["reason"] == "HypervisorUnreachable"


def test_a_hypervisor_tells_what_it_is() -> None:
    assert hypervisor_status(FACTS, None)["facts"] == {
        "uuid": "8c3a4f5e",
        "driver": "libvirt",
        "version": "9.0.0",
        "accelerator": "tcg",
        "acceleratorReason": "no /dev/kvm",
        "cpus": 8,
        "memory": "32 GiB",
    }


def test_a_zone_tells_what_its_hypervisors_have_and_have_free() -> None:
    ledger = join(Ledger(), "h1", Member(capacity=Capacity(cpus=4, memory=8 * GIB)))
    ledger = join(ledger, "h2", Member(capacity=Capacity(cpus=4, memory=8 * GIB), ready=False))
    for uid, cpus in (("a", 1), ("b", 64)):
        ledger, _ = place(ledger, Claim(uid=uid, vm=uid, size=Capacity(cpus=cpus, memory=2 * GIB)))
    assert zone_status(ledger) == {
        "hypervisors": {
            "h1": {"ready": True, "cpus": 4, "memory": "8 GiB", "freeCpus": 3, "freeMemory": "6 GiB"},
            "h2": {"ready": False, "cpus": 4, "memory": "8 GiB", "freeCpus": 0, "freeMemory": "0 B"},
        },
        "placed": 1,
        "waiting": 1,
    }
