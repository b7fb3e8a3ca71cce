"""Open workflows as lists show them, while lists lag behind."""

import uuid
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import pytest
from temporalio import workflow
from temporalio.client import (
    Client,
    ListWorkflowsInput,
    OutboundInterceptor,
    WorkflowExecution,
    WorkflowExecutionAsyncIterator,
    WorkflowHandle,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from manifests.contract import SearchAttribute
from runtime.listing import living, open_workflows
from tests.tapping import tapped
from tests.world import eventually

NAME = SearchAttributeKey.for_keyword(SearchAttribute.NAME.value)


@workflow.defn
class Going:
    """A life that goes on in another run as often as it is told to."""

    def __init__(self) -> None:
        """Begin a run."""
        self._on = False

    @workflow.signal
    def on(self) -> None:
        """Go on in another run."""
        self._on = True

    @workflow.run
    async def run(self) -> None:
        """Wait to go on."""
        await workflow.wait_condition(lambda: self._on)
        workflow.continue_as_new()


class Late(OutboundInterceptor):
    """Visibility that has not heard of some runs yet: a real server's lag cannot be had on demand."""

    def __init__(self, next: OutboundInterceptor, hidden: set[str]) -> None:  # noqa: A002 - the SDK's name
        """Stand before a client's lists."""
        super().__init__(next)
        self._hidden = hidden

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:  # noqa: A002
        """List what has been heard of."""
        return cast("WorkflowExecutionAsyncIterator", self._known(super().list_workflows(input)))

    async def _known(self, listed: AsyncIterator[WorkflowExecution]) -> AsyncIterator[WorkflowExecution]:
        async for each in listed:
            if each.run_id not in self._hidden:
                yield each


@pytest.fixture
def hidden() -> set[str]:
    """The runs that lists have not heard of."""
    return set()


@pytest.fixture
def late(client: Client, hidden: set[str]) -> Client:
    """A client whose lists lag behind."""
    return tapped(client, partial(Late, hidden=hidden))


@pytest.fixture
async def continued(client: Client) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """A life in its second run, as lists show."""
    name = f"l{uuid.uuid4().hex[:8]}"
    attributes = TypedSearchAttributes([SearchAttributePair(NAME, name)])
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=name, workflows=[Going], workflow_runner=runner):
        first = await client.start_workflow(Going.run, id=name, task_queue=name, search_attributes=attributes)
        await first.signal(Going.on)
        handle = client.get_workflow_handle(name)

        async def both_are_listed() -> bool:
            runs = [each.status async for each in client.list_workflows(query(handle))]
            return len(runs) == 2 and any(each is not None and each.name == "CONTINUED_AS_NEW" for each in runs)

        await eventually(both_are_listed)
        yield handle
        if await living(client, name):
            await handle.terminate()


def query(handle: WorkflowHandle[Any, Any]) -> str:
    return f"{SearchAttribute.NAME} = '{handle.id}'"


async def run_of(handle: WorkflowHandle[Any, Any]) -> str:
    return (await handle.describe()).run_id


async def test_a_life_that_went_on_is_listed_once(client: Client, continued: WorkflowHandle[Any, Any]) -> None:
    listed = [each async for each in open_workflows(client, query(continued))]
    assert [each.run_id for each in listed] == [await run_of(continued)]


async def test_it_is_listed_also_while_lists_have_not_heard_of_its_next_run(
    late: Client, hidden: set[str], continued: WorkflowHandle[Any, Any]
) -> None:
    run = await run_of(continued)
    hidden.add(run)
    listed = [each async for each in open_workflows(late, query(continued))]
    assert [each.run_id for each in listed] == [run]


async def test_one_that_ended_after_it_went_on_is_not_listed(
    late: Client, hidden: set[str], continued: WorkflowHandle[Any, Any]
) -> None:
    hidden.add(await run_of(continued))
    await continued.terminate()
    assert [each async for each in open_workflows(late, query(continued))] == []
    assert await living(late, continued.id) is None


async def test_one_that_never_was_does_not_live(client: Client) -> None:
    assert await living(client, "nobody") is None
