"""The wire contract. A change here breaks clients: these words are typed by hand on purpose."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError
from temporalio.api.enums.v1 import IndexedValueType

from domain.run_strategy import Operation
from manifests.contract import (
    OBJECT_MEMO,
    SEARCH_ATTRIBUTES,
    PowerRequest,
    ReplaceRequest,
    Signal,
    Update,
    WorkflowType,
    hypervisor_queue,
    workflow_id,
)


def test_workflow_ids_name_kind_namespace_and_name() -> None:
    assert workflow_id("VirtualServer", "web", "team") == "VirtualServer/team/web"
    assert workflow_id("Zone", "z1") == "Zone/z1"


def test_a_hypervisors_queue_is_named_by_what_it_reaches() -> None:
    assert hypervisor_queue("h1") == "hypervisor:h1"


def test_every_operation_is_an_update_of_the_same_name() -> None:
    operations = {"start", "stop", "restart", "pause", "unpause", "softreboot", "reset"}
    assert {operation.value for operation in Operation} == operations
    assert operations | {"replace"} <= set(Update)


def test_workflow_types_and_signals_for_everybody_keep_their_names() -> None:
    assert {"VirtualMachine", "Image", "Hypervisor", "Zone"} <= set(WorkflowType)
    assert {"delete", "wake"} <= set(Signal)


def test_objects_are_found_by_keywords_and_read_from_one_memo() -> None:
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    names = ["VmflowKind", "VmflowNamespace", "VmflowName", "VmflowStatus", "VmflowHypervisor"]
    assert dict.fromkeys(names, keyword) == SEARCH_ATTRIBUTES
    assert OBJECT_MEMO == "object"


def test_a_power_request_may_be_empty() -> None:
    assert PowerRequest() == PowerRequest(request="", force=False, by="")


@pytest.mark.parametrize("message", [PowerRequest, lambda **said: ReplaceRequest(manifest={}, **said)])
def test_who_asks_is_told_in_at_most_253_characters(message: Callable[..., PowerRequest | ReplaceRequest]) -> None:
    assert message(by="a" * 253).by == "a" * 253
    with pytest.raises(ValidationError, match="at most 253 characters"):
        message(by="a" * 254)


def test_an_edit_brings_a_manifest() -> None:
    with pytest.raises(ValidationError, match="manifest"):
        ReplaceRequest.model_validate({"request": "one"})
