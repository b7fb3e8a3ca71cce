"""What a person reads while a VM gets where it is wanted, where nobody watches live."""

import pytest

from cli import progress
from cli.progress import show
from cli.ways import Now


class Clock:
    """Stands for the `time` module."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress, "interactive", lambda: False)
    return clock


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_every_change_is_one_line_with_its_time(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with show("web") as update:
        update(Now(status="Starting", text="booting"))
        update(Now(status="Starting", text="booting"))
        clock.now += 12.34
        update(Now(status="Running", text="the guest is up [1]"))
    assert shown(capsys) == ["   0.0 s  web  Starting: booting", "  12.3 s  web  Running: the guest is up [1]"]


def test_figures_inside_a_stage_are_told_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with show("web") as update:
        for percent in range(100):
            update(Now(status="Provisioning", text=f"{percent} %", fraction=percent / 100))
            clock.now += 0.5
    lines = shown(capsys)
    assert len(lines) == 10
    assert lines[:2] == ["   0.0 s  web  Provisioning: 0 %", "   5.0 s  web  Provisioning: 10 %"]


def test_a_stage_that_follows_figures_is_told_at_once(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with show("web") as update:
        update(Now(status="Provisioning", text="10 %", fraction=0.1))
        clock.now += 0.1
        update(Now(status="Starting", text="booting"))
    assert shown(capsys)[-1] == "   0.1 s  web  Starting: booting"


def test_a_moving_line_takes_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "interactive", lambda: True)
    with show("web") as update:
        update(Now(status="Starting", text="[/] booting", detail="[red]boo", fraction=0.5))
        update(Now(status="Running", text="up"))
