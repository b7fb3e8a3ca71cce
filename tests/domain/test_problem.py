"""Problems: one vocabulary for trouble."""

from collections.abc import Callable

import pytest

from domain.problem import Problem, Verdict


@pytest.mark.parametrize(
    ("make", "verdict"),
    [(Problem.retry, Verdict.RETRY), (Problem.wait, Verdict.WAIT), (Problem.terminal, Verdict.TERMINAL)],
)
def test_a_problem_is_made_by_its_verdict(make: Callable[..., Problem], verdict: Verdict) -> None:
    problem = make("DiskFull", "no space is left", field="volumes")
    assert (problem.verdict, problem.reason, problem.message, problem.field) == (
        verdict,
        "DiskFull",
        "no space is left",
        "volumes",
    )


def test_a_problem_reads_as_a_sentence_that_names_what_it_is_about() -> None:
    assert str(Problem.retry("DiskFull", "no space is left", field="volumes")) == "volumes: no space is left"
    assert str(Problem.retry("DiskFull", "no space is left")) == "no space is left"
