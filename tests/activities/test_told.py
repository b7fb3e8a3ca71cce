"""What counts as news for a VM."""

import pytest

from activities.told import News, Told
from domain.guest import GuestInfo, Observation, Power, absent

RUNNING = Observation(uid="uid", power=Power.RUNNING, owner="team/vm", incarnation="one")
BOOTED = RUNNING.model_copy(update={"guest": GuestInfo(agent=True, addresses=("10.0.0.1",))})
OFF = Observation(uid="uid", power=Power.OFF, owner="team/vm")


@pytest.mark.parametrize(
    ("told", "seen", "news"),
    [
        (None, RUNNING, News.URGENT),
        (None, absent("uid"), News.NONE),
        (RUNNING, absent("uid"), News.URGENT),
        (RUNNING, RUNNING, News.NONE),
        (RUNNING, OFF, News.URGENT),
        (RUNNING, RUNNING.model_copy(update={"incarnation": "two"}), News.URGENT),
        (RUNNING, BOOTED, News.GENTLE),
        (BOOTED, RUNNING, News.GENTLE),
    ],
)
def test_news_is_what_differs_from_what_was_told(told: Observation | None, seen: Observation, news: News) -> None:
    known = Told()
    if told:
        assert known.tell(told) is told
    assert known.news(seen) is news


def test_what_is_forgotten_is_news_again() -> None:
    known = Told()
    known.tell(RUNNING)
    known.forget("uid")
    known.forget("uid")
    assert known.news(RUNNING) is News.URGENT
    assert known.owner(absent("uid")) == ""


def test_a_guest_is_busy_until_its_last_step_ends() -> None:
    known = Told()
    with known.telling("uid"):
        with known.telling("uid"):
            assert known.busy("uid")
        assert known.busy("uid")
        assert not known.busy("other")
    assert not known.busy("uid")


def test_a_step_that_fails_is_no_longer_busy() -> None:
    known = Told()
    with pytest.raises(OSError, match="gone"), known.telling("uid"):
        raise OSError("gone")
    assert not known.busy("uid")


def test_what_a_vm_publishes_never_replaces_what_a_step_told_it() -> None:
    known = Told()
    known.assume(OFF)
    assert known.news(OFF) is News.NONE
    known.tell(BOOTED)
    known.assume(OFF)
    assert known.news(BOOTED) is News.NONE


def test_the_owner_of_an_absent_guest_is_remembered() -> None:
    known = Told()
    known.tell(RUNNING)
    known.tell(absent("uid"))
    assert known.owner(absent("uid")) == "team/vm"
    assert known.owner(absent("nobody")) == ""
    assert known.owner(OFF.model_copy(update={"uid": "other"})) == "team/vm"
