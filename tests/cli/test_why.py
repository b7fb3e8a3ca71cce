"""Why a VM is as it is, line by line; and when waiting for it is over."""

from datetime import UTC, datetime
from typing import Any

from cli.follow import failure
from cli.ways import Findings
from cli.why import told
from runtime.story import Line

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HELD = {"printableStatus": "Running", "reason": "GuestBooted", "message": "the guest is up on local"}


def machine(*conditions: tuple[str, str, str], **status: Any) -> dict[str, Any]:
    """Return a VM; conditions are type, status and reason."""
    listed = [{"type": kind, "status": word, "reason": why, "message": "so"} for kind, word, why in conditions]
    return {"metadata": {"name": "web"}, "status": {**HELD, "conditions": listed, **status}}


def lines(**found: Any) -> list[str]:
    return [line.plain for line in told("web", Findings(**{"document": machine(), **found}))]


def test_the_word_and_the_sentence_come_first() -> None:
    assert lines(doing="the guest is up on local") == ["web is Running (GuestBooted)", "the guest is up on local"]


def test_a_vm_nobody_has_taken_up_says_what_to_do() -> None:
    (line,) = lines(document={"metadata": {"name": "web"}})
    assert line == "web is declared, and no worker has taken it up yet; start one (vmflow up)"


def test_who_asked_how_often_it_ended_and_what_it_has_are_told() -> None:
    document = machine(
        lastOperation={"operation": "stop", "by": "root@host", "at": "2026-01-31T12:00:00Z"},
        restarts={"inARow": 3, "next": "2026-01-31T12:00:20Z"},
        resources={"cpus": 2, "memory": "1 GiB", "disk": "4 GiB"},
        guest={"agentVersion": "7.2.0"},
    )
    assert lines(document=document)[2:] == [
        "  asked last:      stop by root@host at 2026-01-31T12:00:00Z",
        "  ended by itself: 3 times in a row; started again at 2026-01-31T12:00:20Z",
        "  has:             2 CPUs, 1 GiB of memory, a disk of 4 GiB",
        "  guest agent:     7.2.0",
    ]


def test_an_operation_nobody_signed_is_told_without_a_name() -> None:
    asked = {"operation": "edit", "by": "", "at": "2026-01-31T12:00:00Z"}
    assert lines(document=machine(lastOperation=asked))[2] == "  asked last:      edit at 2026-01-31T12:00:00Z"


def test_missing_workers_and_a_worker_that_cannot_go_on_are_told_before_the_rest() -> None:
    document = machine(("Ready", "True", "GuestBooted"))
    said = lines(document=document, missing="no worker serves lifecycle", attempt=4)
    assert said[2:4] == [
        "  no worker serves lifecycle",
        "  its workflow cannot go on (attempt 4): a fault of the worker's code, told in the worker's log",
    ]
    assert said[4].split() == ["Ready", "True", "GuestBooted", "so"]


def test_a_first_attempt_is_no_trouble() -> None:
    assert len(lines(attempt=1)) == 2


def test_steps_under_way_and_the_latest_trouble_are_told_last() -> None:
    trouble = tuple(Line(at=NOW, kind="trouble", text=f"trouble {number}") for number in range(9))
    said = lines(pending=("ensure_running, attempt 2",), trouble=trouble)
    assert said[2] == "  under way: ensure_running, attempt 2"
    assert said[3:] == [f"  2026-01-31 12:00:00Z  trouble {number}" for number in range(4, 9)]


def test_a_failure_that_holds_a_vm_up_ends_a_wait() -> None:
    failed = failure(machine(("Failure", "True", "DiskTooSmall"), reason="DiskTooSmall", printableStatus="Starting"))
    assert failed is not None
    assert failed.reason == "DiskTooSmall"


def test_a_crash_of_a_guest_that_is_started_again_does_not() -> None:
    for word, reason in (("CrashLoopBackOff", "CrashLoopBackOff"), ("Starting", "Starting")):
        assert failure(machine(("Failure", "True", "GuestCrashed"), reason=reason, printableStatus=word)) is None


def test_a_crash_of_a_guest_that_stays_off_does() -> None:
    failed = failure(machine(("Failure", "True", "GuestCrashed"), reason="GuestOff", printableStatus="Stopped"))
    assert failed is not None
    assert "vmflow why web" in str(failed)


def test_a_vm_without_a_failure_has_none() -> None:
    assert failure(machine(("Failure", "False", "NoFailure"))) is None
