"""The simulator's state file and the journal in it."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from domain.hypervisor import SimulatorSpec
from domain.problem import Problem, Verdict
from drivers.simulator import SimulatorDriver, guests, journal
from drivers.simulator.control import Control
from drivers.simulator.schema import VERSION
from drivers.simulator.store import Store
from tests.drivers.simulator_host import new_plan
from tests.drivers.waiting import eventually, watching


def test_drivers_that_prepare_at_once_share_one_host(tmp_path: Path) -> None:
    spec = SimulatorSpec(directory=str(tmp_path / "host"))
    together = threading.Barrier(8)

    def prepare(_: int) -> str:
        driver = SimulatorDriver(spec)
        together.wait()
        facts = driver.prepare()
        driver.close()
        return facts.uuid

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(prepare, range(8)))) == 1
    assert not list((tmp_path / "host").glob("*.partial*"))


def test_a_host_nobody_prepared_is_unreachable(tmp_path: Path) -> None:
    driver = SimulatorDriver(SimulatorSpec(directory=str(tmp_path / "nowhere")))
    with pytest.raises(Problem) as caught:
        driver.observe("nobody")
    assert (caught.value.reason, caught.value.verdict) == ("HypervisorUnreachable", Verdict.RETRY)
    assert not (tmp_path / "nowhere").exists()
    driver.close()


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_state_of_another_version_is_refused(host: SimulatorDriver, simulator: SimulatorSpec, version: int) -> None:
    with closing(sqlite3.connect(Path(simulator.directory) / "simulator.db")) as db:
        db.execute(f"PRAGMA user_version = {version}")
    driver = SimulatorDriver(simulator)
    with pytest.raises(Problem) as caught:
        driver.prepare()
    assert (caught.value.reason, caught.value.verdict) == ("StateVersionMismatch", Verdict.TERMINAL)
    driver.close()


def test_a_damaged_state_file_is_not_a_fact_about_guests(simulator: SimulatorSpec) -> None:
    (Path(simulator.directory) / "simulator.db").write_bytes(b"no database" * 1000)
    driver = SimulatorDriver(simulator)
    with pytest.raises(Problem) as caught:
        driver.observe("nobody")
    assert caught.value.reason == "HypervisorUnreachable"
    driver.close()


def test_a_folder_with_awkward_characters_holds_a_host(tmp_path: Path) -> None:
    driver = SimulatorDriver(SimulatorSpec(directory=str(tmp_path / "a b?mode=memory#ü%41")))
    driver.prepare()
    assert (tmp_path / "a b?mode=memory#ü%41" / "simulator.db").is_file()
    assert driver.inventory() == []
    driver.close()


def test_what_fails_inside_a_transaction_is_undone(host: SimulatorDriver, simulator: SimulatorSpec) -> None:
    store = Store(Path(simulator.directory))

    def define_and_fail() -> None:
        with store.writing() as db:
            guests.define(db, new_plan())
            raise KeyError

    with pytest.raises(KeyError):
        define_and_fail()
    store.close()
    assert host.inventory() == []


def test_calls_that_follow_each_other_share_a_connection(host: SimulatorDriver) -> None:
    def look(_: int) -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(host.observe, "nobody").result()

    for number in range(20):
        look(number)
    assert len(host._store._idle) == 1


def test_a_listener_that_connects_during_a_boot_hears_of_its_end(
    host: SimulatorDriver,
    simulator: SimulatorSpec,
) -> None:
    plan, driver = new_plan(), SimulatorDriver(simulator.model_copy(update={"boot_seconds": 0.5}))
    driver.ensure_running(plan, fresh=True, start=1)
    with watching(host, within=20) as watch:
        eventually(
            lambda: {"agent", "address"} <= {hint.what for hint in watch.hints if hint.uid == plan.uid},
            within=20,
            what="hints that the guest is up",
        )
        assert host.observe(plan.uid).booted
    driver.close()


def test_a_listener_that_fell_behind_is_told_to_look_at_everything(
    host: SimulatorDriver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "_KEPT", 2)
    monkeypatch.setattr(journal, "_TRIM", 4)
    listening = host.changes(stop := threading.Event())
    assert next(listening).what == "connected"
    for _ in range(3):
        host.ensure_running(new_plan(), fresh=True, start=1)
    hint = next(listening)
    assert (hint.uid, hint.what) == ("", "trimmed")
    stop.set()
    listening.close()  # type: ignore[attr-defined] # a generator, promised as an iterator


def test_a_listener_of_a_closed_driver_hears_that_it_is_closed(simulator: SimulatorSpec) -> None:
    driver = SimulatorDriver(simulator)
    driver.prepare()
    listening = driver.changes(threading.Event())
    next(listening)
    driver.close()
    with pytest.raises(Problem, match="closed"):
        next(listening)


def test_control_makes_a_host_before_its_driver_does(tmp_path: Path) -> None:
    control = Control(tmp_path / "host")
    control.unreachable(cut=True)
    driver = SimulatorDriver(SimulatorSpec(directory=str(tmp_path / "host")))
    with pytest.raises(Problem, match="cannot be reached"):
        driver.prepare()
    driver.close()
    control.close()
