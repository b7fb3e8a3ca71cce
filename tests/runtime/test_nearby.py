"""Questions that only a hypervisor's worker can answer."""

from datetime import timedelta

import pytest
from temporalio.client import Client

from domain.problem import Problem, Verdict
from manifests.contract import ConsoleRequest, WorkflowType
from runtime.nearby import answer, console_log
from runtime.objects import Objects


async def test_a_question_that_no_worker_answers_ends_and_says_what_to_do(client: Client) -> None:
    question = ConsoleRequest(hypervisor="far", uid="u-1", limit=1)
    with pytest.raises(Problem, match="hypervisor far answered; start one") as refused:
        await answer(client, WorkflowType.CONSOLE, question, str, about="team/web", within=timedelta(seconds=1))
    problem = refused.value
    assert (problem.reason, problem.verdict, problem.field) == ("Unavailable", Verdict.RETRY, "team/web")


async def test_the_log_of_a_vm_that_is_not_there_is_not_found(client: Client) -> None:
    with pytest.raises(Problem) as refused:
        await console_log(Objects(client), "nobody", "team", 1)
    assert refused.value.reason == "NotFound"
