"""How much may go on at the same time."""

from contextlib import ExitStack
from http import HTTPStatus

import pytest

from api.limits import Concurrency
from api.refusals import Refusal


def full(counter: Concurrency, name: str) -> bool:
    """Tell whether one more of a name is refused with 429."""
    try:
        counter.check(name)
    except Refusal as refusal:
        return refusal.code == HTTPStatus.TOO_MANY_REQUESTS
    return False


def test_one_account_leaves_room_for_the_others() -> None:
    counter = Concurrency(4, share=2)
    with ExitStack() as going:
        for _ in range(2):
            going.enter_context(counter.one("ada"))
        assert (full(counter, "ada"), full(counter, "bob")) == (True, False)
        with counter.one("bob"), counter.one("eve"):
            assert full(counter, "bob")
        assert not full(counter, "bob")
    assert (full(counter, "ada"), counter.now) == (False, 0)


@pytest.mark.parametrize("most", [1, 3])
def test_without_shares_everybody_counts_together(most: int) -> None:
    counter = Concurrency(most)
    with ExitStack() as going:
        for number in range(most):
            assert not full(counter, f"a{number}")
            going.enter_context(counter.one(f"a{number}"))
        assert full(counter, "")
    assert not full(counter, "")
