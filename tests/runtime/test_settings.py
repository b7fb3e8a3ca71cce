import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from domain.backoff import Backoff
from runtime.settings import Settings, default_home


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("VMFLOW_", "TEMPORAL_")):
            monkeypatch.delenv(name)


def test_root_keeps_state_under_var_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Settings().home == Path("/var/lib/vmflow")


def test_a_user_keeps_state_in_the_xdg_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/ada/state")
    assert default_home() == Path("/home/ada/state/vmflow")


def test_without_xdg_the_state_folder_is_in_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_home() == Path("/home/ada/.local/state/vmflow")


def test_a_relative_home_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VMFLOW_HOME", "here")
    assert Settings().home == tmp_path / "here"


def test_the_server_is_the_local_one_unless_an_address_is_given() -> None:
    assert Settings().external_address is None
    assert Settings().temporal_address == "127.0.0.1:7233"


def test_temporal_s_own_variables_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "machines")
    assert Settings().temporal_address == "temporal.example:7233"
    assert Settings().temporal_namespace == "machines"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "")
    assert Settings().external_address is None


def test_allowed_networks_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMFLOW_ALLOWED_NETWORKS", "127.0.0.0/8, fd00::/8")
    assert Settings().allowed_networks == ["127.0.0.0/8", "fd00::/8"]


def test_an_allowed_network_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMFLOW_ALLOWED_NETWORKS", "everything")
    with pytest.raises(ValidationError, match="allowed_networks"):
        Settings()


@pytest.mark.parametrize("address", [None, "temporal.example:7233"])
def test_a_child_process_reads_the_same_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str | None
) -> None:
    settings = Settings(
        home=tmp_path,
        external_address=address,
        temporal_namespace="machines",
        temporal_port=7999,
        log_format="json",
        allowed_networks=["127.0.0.0/8", "10.0.0.0/8"],
        restart_first_delay=0.5,
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_the_delays_of_restarts_are_the_domains_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().backoff == Backoff()
    for name, value in (("FIRST_DELAY", "1"), ("DELAY_CAP", "60"), ("HEALTHY_AFTER", "30")):
        monkeypatch.setenv(f"VMFLOW_RESTART_{name}", value)
    assert Settings().backoff == Backoff(first=1, cap=60, healthy=30)


@pytest.mark.parametrize("delay", ["0", "-1", "inf", "soon"])
def test_a_delay_is_a_positive_number_of_seconds(monkeypatch: pytest.MonkeyPatch, delay: str) -> None:
    monkeypatch.setenv("VMFLOW_RESTART_DELAY_CAP", delay)
    with pytest.raises(ValidationError, match="restart_delay_cap"):
        Settings()
