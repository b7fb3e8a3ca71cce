import base64
import stat
from pathlib import Path

import pytest
import yaml

from domain.problem import Problem
from runtime import kubeconfig
from runtime.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a home whose gateway has made its authority."""
    settings = Settings(home=tmp_path, external_address=None, gateway_port=7001)
    settings.gateway_directory.mkdir()
    kubeconfig.authority(settings).write_text("the authority")
    return settings


def test_a_kubeconfig_says_where_whom_to_trust_and_who_asks(settings: Settings) -> None:
    config = kubeconfig.document(settings, "me", "token")
    (cluster,), (user,), (context,) = config["clusters"], config["users"], config["contexts"]
    assert cluster["cluster"]["server"] == "https://127.0.0.1:7001"
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == b"the authority"
    assert user == {"name": "me", "user": {"token": "token"}}
    assert context["context"] == {"cluster": cluster["name"], "user": "me", "namespace": "default"}
    assert config["current-context"] == context["name"]


def test_a_kubeconfig_for_somebody_elsewhere_says_their_namespace_and_where_they_reach_it(settings: Settings) -> None:
    config = kubeconfig.document(settings, "ada", "token", namespace="team", server="https://vmflow.example:7443")
    (cluster,), (context,) = config["clusters"], config["contexts"]
    assert (cluster["cluster"]["server"], context["context"]["namespace"]) == ("https://vmflow.example:7443", "team")


def test_it_is_its_owners_alone_from_the_first_moment(settings: Settings) -> None:
    file = kubeconfig.path(settings)
    kubeconfig.write(file, kubeconfig.document(settings, "me", "token"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kubeconfig.read(settings) == ("me", "token")
    assert {each.name for each in settings.home.iterdir()} == {"gateway", "kubeconfig"}


def test_without_an_authority_there_is_nothing_to_trust(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="vmflow up") as raised:
        kubeconfig.document(Settings(home=tmp_path, external_address=None), "me", "token")
    assert raised.value.reason == "NoGateway"


def test_a_kept_one_follows_the_gateway_and_keeps_its_token(settings: Settings) -> None:
    assert not kubeconfig.refresh(settings)
    kubeconfig.write(kubeconfig.path(settings), kubeconfig.document(settings, "me", "token"))
    moved = settings.model_copy(update={"gateway_port": 7002})
    assert kubeconfig.refresh(moved)
    config = yaml.safe_load(kubeconfig.path(moved).read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:7002"
    assert kubeconfig.read(moved) == ("me", "token")


@pytest.mark.parametrize("text", ["", "users: []", "users: [{name: me}]", "{", "- 1"])
def test_one_that_says_nothing_is_as_none(settings: Settings, text: str) -> None:
    kubeconfig.path(settings).write_text(text)
    assert kubeconfig.read(settings) is None


@pytest.mark.parametrize(
    ("listen", "url"),
    [("127.0.0.1", "https://127.0.0.1:7001"), ("0.0.0.0", "https://127.0.0.1:7001"), ("::1", "https://[::1]:7001")],
)
def test_the_gateway_is_found_where_it_listens(settings: Settings, listen: str, url: str) -> None:
    assert settings.model_copy(update={"gateway_listen": listen}).gateway_url == url
