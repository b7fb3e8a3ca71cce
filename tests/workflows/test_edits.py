"""What comes along with a request to go."""

from typing import Any

import pytest

from domain.requests import BY_NOBODY, Request
from workflows.edits import asked_to_go


@pytest.mark.parametrize("sent", [None, {}, "a text", 5, [], {"grace": -1}, {"by": 5}, {"colour": "red"}], ids=str)
def test_a_delete_is_one_whatever_comes_along(sent: Any) -> None:
    assert asked_to_go(sent) == BY_NOBODY


def test_who_asks_and_with_how_much_grace_is_read() -> None:
    assert asked_to_go({"by": "ada", "grace": 5}) == Request(id="", by="ada", grace=5.0)
