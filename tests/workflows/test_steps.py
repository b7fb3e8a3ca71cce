"""What a build that failed makes of a life."""

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError

from domain.names import LONGEST_SUFFIX, SUFFIX
from tests.domain.examples import at_host, off, placed
from workflows.steps import otherwise


def failed(cause: FailureError) -> ActivityError:
    error = ActivityError(
        "the step failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="worker",
        activity_type="ensure_running",
        activity_id="1",
        retry_state=None,
    )
    error.__cause__ = cause
    return error


def refused(reason: str) -> ActivityError:
    return failed(ApplicationError("no", type=reason))


def test_an_image_that_is_not_there_is_looked_for_again() -> None:
    life = placed()
    assert otherwise(refused("ImageMissing"), life)(life).lost


def test_a_name_that_is_taken_is_made_longer() -> None:
    life = placed()
    assert otherwise(refused("DomainNameTaken"), life)(life).suffix == SUFFIX + 1


@pytest.mark.parametrize("reason", ["ImageMissing", "DomainNameTaken", "DiskFull"])
def test_nothing_is_begun_anew_where_something_was_built(reason: str) -> None:
    with pytest.raises(ActivityError):
        otherwise(refused(reason), at_host(off()))


def test_a_name_is_no_longer_than_the_longest() -> None:
    with pytest.raises(ActivityError):
        otherwise(refused("DomainNameTaken"), placed().but(suffix=LONGEST_SUFFIX))


def test_trouble_on_the_way_says_nothing_about_what_is_there() -> None:
    gone = CancelledError("dropped")
    with pytest.raises(ActivityError):
        otherwise(failed(gone), placed())
