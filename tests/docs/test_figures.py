"""Figures in documents: those of ADR 2 measured, the others compared with the names they have in the code."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from domain.life import BOOT_PATIENCE
from domain.machine import DEFAULT_GRACE
from images.download import CHUNK
from tests.docs.documents import DOCS, rows
from tests.image_server import ImageServer
from tests.world import World
from workflows.options import A_FEW_TIMES, FIRST_RETRY, HEARTBEAT, LAST_RETRY, NOBODY_SERVES, RECONNECT, errand

(BOOTS, IS_UP) = rows((DOCS / "adr/0002-errands-are-local-activities.md").read_text(), "Consequences")


@pytest.mark.parametrize(("documented", "boot"), [(BOOTS, 2.0), (IS_UP, 0.0)], ids=["boots", "is up"])
async def test_a_vm_from_a_cached_image_needs_as_many_events_as_documented(
    client: Client,
    tmp_path: Path,
    image_server: ImageServer,
    documented: list[str],
    boot: float,
) -> None:
    world = World(client, tmp_path / "host", image_server, bootSeconds=boot)
    async with world.lifecycle():
        await world.declare()
        async with world.near():
            for name in ("first", "measured"):
                await world.objects.apply(world.vm(name))
                await world.until_status("Running", name)
            kinds = [event.event_type async for event in world.handle("measured").fetch_history_events()]
            assert documented[1:] == [
                str(len(kinds)),
                str(kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)),
            ]
            for name in ("first", "measured"):
                await world.delete(name)
        await world.end()


def seconds(length: timedelta | None) -> str:
    assert length is not None
    return f"{length.total_seconds():.0f} s"


ERRAND = errand("")
SAID = [
    (
        "architecture.md",
        f"ten attempts by Temporal, a second apart; then after {seconds(FIRST_RETRY)}, doubling to an hour",
    ),
    ("architecture.md", f"A step on a queue nobody serves fails after {seconds(NOBODY_SERVES)}"),
    ("architecture.md", f"missed after {seconds(HEARTBEAT)} without a heartbeat"),
    ("architecture.md", f"at most {CHUNK // 2**20} MiB"),
    (
        "adr/0002-errands-are-local-activities.md",
        (
            f"({seconds(ERRAND.get('start_to_close_timeout'))} an attempt, "
            f"{seconds(ERRAND.get('schedule_to_close_timeout'))} in all)"
        ),
    ),
    ("runbooks/vm-stuck.md", f"gets {DEFAULT_GRACE:.0f} s to shut down"),
]


@pytest.mark.parametrize(("document", "words"), SAID)
def test_a_documented_figure_is_the_codes(document: str, words: str) -> None:
    assert words in " ".join((DOCS / document).read_text().split())


def test_figures_in_words_are_the_codes() -> None:
    """Ten attempts, an hour, every minute, ten minutes."""
    assert (A_FEW_TIMES.maximum_attempts, LAST_RETRY) == (10, timedelta(hours=1))
    assert (timedelta(minutes=1), timedelta(minutes=10)) == (RECONNECT, BOOT_PATIENCE)
