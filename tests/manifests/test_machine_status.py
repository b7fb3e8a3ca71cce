"""A VM's status as people read it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.guest import Forward, GuestInfo, Observation, StopCause
from domain.life import Life
from domain.names import LONGEST_SUFFIX, domain_name
from domain.run_strategy import Operation, RunStrategy
from domain.status import Condition, ConditionType, Truth, conditions
from manifests.base import InvalidManifestError
from manifests.status import condition, machine_status, refused_status, timestamp
from tests.domain.examples import IMAGE, NOW, SHAPE, UID, asked, at_host, edited, newborn, off, paused, running


def test_a_new_vm_says_what_it_wants_and_little_else() -> None:
    life = newborn()
    assert machine_status(life, (), NOW) == {
        "observedGeneration": 1,
        "printableStatus": "Provisioning",
        "reason": "Placing",
        "message": "looking for a zone",
        "runStrategy": "Always",
        "conditions": [],
        "vm": {"name": domain_name("web", UID), "power": "Absent", "incarnation": ""},
        "exits": 0,
    }


def test_a_running_vm_says_where_it_is_and_what_its_guest_tells() -> None:
    info = GuestInfo(
        agent=True,
        addresses=("192.0.2.7",),
        hostname="web",
        os="Debian GNU/Linux 12 (bookworm)",
        agent_version="7.2.0",
    )
    forward = Forward(protocol="tcp", guest=80, host=31080)
    seen = running("i1").model_copy(update={"guest": info, "forwards": (forward,)})
    status = machine_status(at_host(seen), (), NOW)
    assert (status["printableStatus"], status["reason"]) == ("Running", "GuestBooted")
    assert status["vm"] == {"name": domain_name("web", UID), "power": "Running", "incarnation": "i1"}
    assert status["placement"] == {"zone": "z1", "hypervisor": "h1"}
    assert status["image"] == {"sha256": IMAGE.sha256, "virtualSize": IMAGE.virtual_size}
    assert status["guest"] == {
        "agentConnected": True,
        "addresses": ["192.0.2.7"],
        "hostname": "web",
        "os": "Debian GNU/Linux 12 (bookworm)",
        "agentVersion": "7.2.0",
    }
    assert status["forwards"] == [{"protocol": "tcp", "guestPort": 80, "hostPort": 31080}]


def test_the_name_has_the_documented_form() -> None:
    name = machine_status(newborn(), (), NOW)["vm"]["name"]
    assert name.startswith("managed-virtualserver-")
    assert len(name) == len("managed-virtualserver-9dda9")


def test_a_name_that_grew_is_told_as_it_is() -> None:
    grown = newborn().but(suffix=LONGEST_SUFFIX)
    assert machine_status(grown, (), NOW)["vm"]["name"] == domain_name("web", UID, length=LONGEST_SUFFIX)


@pytest.mark.parametrize("seen", [running(shape=SHAPE), paused(shape=SHAPE)])
def test_a_living_guest_is_told_with_what_it_has_and_not_with_what_is_declared(seen: Observation) -> None:
    life = edited(at_host(seen), memory=2**40, cpus=9, disk=2**44)
    told = {"cpus": 2, "memory": "4 GiB", "disk": "20 GiB"}
    assert machine_status(life, (), NOW)["resources"] == told


def test_the_generation_that_a_status_speaks_of_is_that_of_the_declaration() -> None:
    assert machine_status(edited(newborn(), cpus=1), (), NOW)["observedGeneration"] == 2


@pytest.mark.parametrize(
    ("life", "told"),
    [
        (asked(at_host(running()), Operation.STOP, by="ada"), {"operation": "stop", "by": "ada"}),
        (asked(at_host(running()), Operation.SOFT_REBOOT), {"operation": "softreboot", "by": ""}),
        (edited(at_host(running()), cpus=1), {"operation": "edit", "by": ""}),
    ],
)
def test_the_last_operation_is_told_with_who_asked_and_when(life: Life, told: dict[str, str]) -> None:
    assert machine_status(life, (), NOW)["lastOperation"] == {**told, "at": "2026-01-01T12:00:00Z"}


def test_a_guest_that_keeps_ending_is_told_with_how_often_and_until_when() -> None:
    once = at_host(off(StopCause.CRASHED)).but(ends=1)
    assert machine_status(once, (), NOW)["restarts"] == {"inARow": 1}
    waiting = once.but(ends=3, again=NOW + timedelta(seconds=21))
    status = machine_status(waiting, (), NOW)
    assert status["restarts"] == {"inARow": 3, "next": "2026-01-01T12:00:21Z"}
    assert status["printableStatus"] == "CrashLoopBackOff"


@pytest.mark.parametrize("life", [newborn(), at_host(running()), at_host(off())])
def test_what_never_happened_is_not_told(life: Life) -> None:
    assert not {"lastOperation", "restarts"} & set(machine_status(life, (), NOW))


def test_the_current_run_strategy_is_told_not_the_declared_one() -> None:
    halted = newborn(RunStrategy.ALWAYS).but(strategy=RunStrategy.HALTED)
    assert machine_status(halted, (), NOW)["runStrategy"] == "Halted"


def test_a_guest_that_is_off_tells_nothing_of_itself() -> None:
    status = machine_status(at_host(off()).but(exits=3), (), NOW)
    assert not {"guest", "forwards", "resources"} & set(status)
    assert status["exits"] == 3


def test_a_condition_has_the_form_kubernetes_gives_it() -> None:
    ready = Condition(
        type=ConditionType.READY, status=Truth.FALSE, reason="GuestOff", message="the guest is off", since=NOW
    )
    assert condition(ready) == {
        "type": "Ready",
        "status": "False",
        "reason": "GuestOff",
        "message": "the guest is off",
        "lastTransitionTime": "2026-01-01T12:00:00Z",
    }
    assert [condition(ready.model_copy(update={"status": each}))["status"] for each in Truth] == [
        "True",
        "False",
        "Unknown",
    ]


def test_a_status_carries_the_conditions_it_is_given() -> None:
    life = at_host(running())
    told = conditions(life, (), NOW)
    assert machine_status(life, told, NOW)["conditions"] == [condition(each) for each in told]


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_time_is_told_in_utc_with_whole_seconds(moment: datetime) -> None:
    told = datetime.strptime(timestamp(moment), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert told == moment.astimezone(UTC).replace(microsecond=0)


def test_a_time_from_elsewhere_is_converted() -> None:
    assert timestamp(NOW.astimezone(timezone(timedelta(hours=8)))) == "2026-01-01T12:00:00Z"


def test_an_object_that_was_refused_says_why_and_what_to_do() -> None:
    status = refused_status(InvalidManifestError([("spec.x", "unknown field")]), NOW)
    assert status["printableStatus"] == "Provisioning"
    assert status["reason"] == "InvalidManifest"
    assert status["message"] == "spec.x: unknown field; delete the object, mend the manifest and apply it again"
    assert status["conditions"] == [
        {
            "type": "Failure",
            "status": "True",
            "reason": "InvalidManifest",
            "message": "spec.x: unknown field",
            "lastTransitionTime": "2026-01-01T12:00:00Z",
        },
    ]
