import re

import pytest

from domain.guest import Forward
from domain.life import Wake
from domain.model import Value
from domain.placement import Claim, Placement
from domain.requests import REMEMBERED_REQUESTS
from domain.run_strategy import Operation
from domain.status import ConditionType
from manifests.contract import (
    LEDGER_QUEUE,
    LIFECYCLE_QUEUE,
    OBJECT_MEMO,
    ChannelAnswer,
    ChannelRequest,
    ConsoleRequest,
    DiscardAnswer,
    DiscardRequest,
    Join,
    PowerAnswer,
    PowerRequest,
    Query,
    ReplaceAnswer,
    ReplaceRequest,
    SearchAttribute,
    Signal,
    Update,
    Want,
    WorkflowType,
    hypervisor_queue,
    workflow_id,
)
from manifests.registry import KINDS
from manifests.status import machine_status
from tests.docs.documents import DOCS, code, first_column, rows, section
from tests.domain.examples import NOW, SHAPE, asked, at_host, running

_NAME = re.compile(r"`(\w+)`")

CONTRACT = (DOCS / "contract.md").read_text()


def test_every_workflow_type_is_documented_and_no_other() -> None:
    assert first_column(CONTRACT, "Workflow types") == set(WorkflowType)


def test_every_update_is_documented_and_no_other() -> None:
    assert first_column(CONTRACT, "Updates") == set(Update)


def test_every_signal_is_documented_and_no_other() -> None:
    assert first_column(CONTRACT, "Signals") == set(Signal)


def test_every_query_is_documented_and_no_other() -> None:
    assert first_column(CONTRACT, "Queries") == set(Query)


def test_every_search_attribute_is_documented_and_no_other() -> None:
    assert first_column(CONTRACT, "Search attributes") == set(SearchAttribute)


def test_every_task_queue_is_documented_and_no_other() -> None:
    queues = {LIFECYCLE_QUEUE, LEDGER_QUEUE, hypervisor_queue("<name>")}
    assert first_column(CONTRACT, "Task queues") == queues


def test_the_memo_key_is_documented() -> None:
    assert first_column(CONTRACT, "Memo") == {OBJECT_MEMO}


def test_the_kinds_are_those_of_the_registry() -> None:
    documented = {tuple(map(code, row)) for row in rows(CONTRACT, "Kinds")}
    assert documented == {
        (
            kind.kind,
            kind.api_version,
            kind.workflow,
            kind.queue,
            workflow_id(kind.kind, "<name>", "<namespace>" if kind.namespaced else ""),
        )
        for kind in KINDS
    }


@pytest.mark.parametrize(
    "value",
    [
        ChannelAnswer,
        ChannelRequest,
        ConsoleRequest,
        DiscardAnswer,
        DiscardRequest,
        PowerAnswer,
        PowerRequest,
        ReplaceAnswer,
        ReplaceRequest,
    ],
)
def test_every_field_is_documented_and_no_other(value: type[Value]) -> None:
    assert first_column(CONTRACT, f"`{value.__name__}`") == set(value.model_fields)


def test_arguments_of_messages_are_called_by_their_names() -> None:
    named = {code(cell) for row in rows(CONTRACT, "Updates") for cell in row[2:4]}
    named |= {code(row[2]) for row in rows(CONTRACT, "Signals") if code(row[0]) in {Signal.WANT, Signal.JOIN}}
    messages = (PowerRequest, PowerAnswer, ReplaceRequest, ReplaceAnswer, Claim, Placement, Want, Join)
    assert named == {each.__name__ for each in (*messages, DiscardRequest, DiscardAnswer)}


def test_every_word_of_a_wake_is_documented() -> None:
    (wake,) = (row for row in rows(CONTRACT, "Signals") if code(row[0]) == "wake" and code(row[1]) == "VirtualMachine")
    assert all(f'`"{each}"`' in wake[2] for each in Wake)


def test_every_condition_is_documented() -> None:
    assert all(f"`{each}`" in section(CONTRACT, "A VM's status") for each in ConditionType)


def test_every_field_of_a_status_is_documented_and_no_other() -> None:
    life = asked(at_host(running(shape=SHAPE)), Operation.STOP).but(ends=1)
    forward = Forward(protocol="tcp", guest=80, host=31080)
    status = machine_status(life.but(observed=life.observed.model_copy(update={"forwards": (forward,)})), (), NOW)
    documented = rows(CONTRACT, "A VM's status")
    assert {name for row in documented for name in _NAME.findall(row[0])} == set(status)
    for fields, told in ((status[code(row[0])], row[1]) for row in documented):
        part = fields[0] if isinstance(fields, list) and fields else fields
        assert not isinstance(part, dict) or set(part) <= set(_NAME.findall(told)), told


def test_the_remembered_requests_are_as_many_as_documented() -> None:
    assert f"its last {REMEMBERED_REQUESTS} request ids" in " ".join(section(CONTRACT, "Doing it once").split())
