"""Guests that boot are looked at ever less often, until they are up or known to be silent; then they cost nothing."""

import pytest

from activities import boots
from activities.boots import SETTLE, SHOWN, SLOWEST, TICK, Boots
from activities.told import News
from domain.boot import FINISHED, BootProgress
from domain.guest import GuestInfo, Observation, Power
from domain.life import BOOT_PATIENCE

PATIENCE = BOOT_PATIENCE.total_seconds()
BOOTING = BootProgress(stage="kernel is booting")
DONE = BootProgress(stage=FINISHED)
SILENT = Observation(uid="uid", power=Power.RUNNING, incarnation="one")
AGENT = SILENT.model_copy(update={"guest": GuestInfo(agent=True)})
UP = SILENT.model_copy(update={"guest": GuestInfo(agent=True, addresses=("10.0.0.1",))})
OFF = Observation(uid="uid", power=Power.OFF)


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(boots, "time", clock)
    return clock


def test_a_boot_is_looked_at_ever_less_often_until_patience_ends(clock: Clock) -> None:
    known, looks, wakes = Boots(), [], 0
    began = clock.now
    assert not known.see(SILENT, News.NONE, BOOTING)
    while (due := known.next_look) is not None:
        looks.append(due - clock.now)
        clock.now = due
        assert known.due() == {"uid"}
        wakes += known.see(SILENT, News.NONE, BOOTING)
    assert (looks[0], max(looks)) == (TICK, SLOWEST)
    assert sorted(looks[:-1]) == looks[:-1]
    assert clock.now == began + PATIENCE
    assert wakes == 1
    assert len(looks) < 60


def test_a_guest_that_is_up_and_done_is_not_looked_at_again(clock: Clock) -> None:
    known = Boots()
    assert known.see(UP, News.URGENT, DONE)
    assert (known.next_look, known.due(), known.shown) == (None, set(), {})
    assert not known.watched(UP)
    assert not known.see(UP, News.NONE, None)
    assert known.next_look is None


def test_a_guest_that_is_up_is_shown_until_it_says_that_it_is_done(clock: Clock) -> None:
    known = Boots()
    known.see(UP, News.NONE, BOOTING)
    assert known.shown == {"uid": BOOTING}
    assert known.watched(UP)


def test_a_guest_whose_console_nobody_read_is_waited_for(clock: Clock) -> None:
    known = Boots()
    known.see(UP, News.NONE, None)
    assert (known.next_look, known.shown) == (clock.now + TICK, {})


def test_an_address_and_no_agent_is_no_silence(clock: Clock) -> None:
    known = Boots()
    seen = SILENT.model_copy(update={"guest": GuestInfo(addresses=("10.0.0.1",))})
    known.see(seen, News.NONE, BOOTING)
    clock.now += PATIENCE
    assert not known.see(seen, News.NONE, BOOTING)
    assert known.next_look is None


def test_half_a_sign_of_life_waits_for_the_other_half_and_no_longer(clock: Clock) -> None:
    known = Boots()
    assert not known.see(AGENT, News.GENTLE, DONE)
    assert known.next_look == clock.now + TICK
    clock.now += SETTLE - 0.5
    assert not known.see(AGENT, News.GENTLE, DONE)
    assert known.next_look == clock.now + 0.5
    clock.now += 0.5
    assert known.see(AGENT, News.GENTLE, DONE)
    assert known.next_look is None


def test_both_halves_are_told_at_once(clock: Clock) -> None:
    known = Boots()
    assert not known.see(AGENT, News.GENTLE, DONE)
    assert known.see(UP, News.GENTLE, DONE)


def test_what_a_settled_guest_tells_late_is_still_waited_for(clock: Clock) -> None:
    known = Boots()
    known.settle("uid", "one")
    assert not known.see(AGENT, News.GENTLE, None)
    assert known.next_look == clock.now + TICK


def test_another_incarnation_boots_anew(clock: Clock) -> None:
    known = Boots()
    known.see(SILENT, News.NONE, BOOTING)
    clock.now += PATIENCE - 1
    again = SILENT.model_copy(update={"incarnation": "two"})
    assert known.see(again, News.URGENT, BOOTING)
    clock.now += PATIENCE - 1
    assert not known.see(again, News.NONE, BOOTING)


@pytest.mark.parametrize("news", list(News))
def test_a_guest_that_does_not_run_is_waited_for_no_longer(clock: Clock, news: News) -> None:
    known = Boots()
    known.see(SILENT, News.NONE, BOOTING)
    assert known.see(OFF, news, None) is (news is not News.NONE)
    assert known.next_look is None


def test_of_many_boots_the_youngest_are_shown(clock: Clock) -> None:
    known = Boots()
    for number in range(SHOWN + 1):
        clock.now += 1
        known.see(SILENT.model_copy(update={"uid": str(number)}), News.NONE, BOOTING)
    assert len(known.shown) == SHOWN
    assert "0" not in known.shown
