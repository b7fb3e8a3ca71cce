"""What may change our mind about a VM: the whole list, and the age of a report."""

import pytest

from domain.evidence import Evidence, evidence, outdated
from domain.guest import Observation, absent
from domain.life import Life, learned
from domain.run_strategy import Operation, RunStrategy
from tests.domain.examples import NOW, UID, asked, at_host, off, paused, running


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, None),
        (running(), None),
        (paused(), None),
        (off(), Evidence.SEEN_OFF),
        (absent(UID), Evidence.NO_SUCH_DOMAIN),
    ],
)
def test_a_guest_counts_as_gone_on_the_hypervisors_word_only(
    seen: Observation | None, expected: Evidence | None
) -> None:
    assert evidence(seen) is expected


def test_the_list_of_evidence_is_whole() -> None:
    assert set(Evidence) == {"NoSuchDomain", "SeenOff"}


@pytest.mark.parametrize(
    ("known", "seen", "older"),
    [
        (running(start=2), running("i0", start=1), True),
        (off(start=2), off(start=1), True),
        (off(start=2), running(start=1), True),
        (running(start=2), running(start=2), False),
        (running(start=2), off(start=2), False),
        (running(start=2), running("i2", start=3), False),
        (running(start=2), absent(UID), False),
        (running(start=2), off(start=0), False),
        (absent(UID), off(start=1), False),
    ],
)
def test_a_report_of_an_earlier_power_on_is_older(known: Observation, seen: Observation, *, older: bool) -> None:
    assert outdated(known, seen) is older


@pytest.mark.parametrize("strategy", RunStrategy)
@pytest.mark.parametrize("seen", [running("i1", start=1), paused("i1", start=1), off(start=1)])
def test_an_older_report_changes_nothing_but_that_somebody_looked(strategy: RunStrategy, seen: Observation) -> None:
    life = at_host(running("i2", start=2), strategy).but(start=2)
    assert learned(life.but(stale=True), seen, NOW) == life


@pytest.mark.parametrize(
    "life",
    [
        at_host(running("i1", start=1)),
        at_host(paused("i1", start=1)),
        at_host(off(start=1)).but(start=2),
        asked(at_host(running("i1", start=1)).but(started=NOW), Operation.RESTART),
    ],
)
def test_the_same_report_again_changes_nothing(life: Life) -> None:
    assert learned(life, life.observed, NOW) == life
