"""What a kubeconfig says, and what is said of one that says nonsense."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.cluster import Cluster, cluster
from domain.problem import Problem


def config(**changes: Any) -> dict[str, Any]:
    """Return a kubeconfig of two contexts, with parts of it replaced."""
    return {
        "clusters": [
            {"name": "here", "cluster": {"server": "http://127.0.0.1:8080/"}},
            {"name": "there", "cluster": {"server": "http://gateway:1"}},
        ],
        "users": [{"name": "me", "user": {"token": "secret"}}, {"name": "file", "user": {"tokenFile": "token"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "here", "user": "me", "namespace": "team"}},
            {"name": "two", "context": {"cluster": "there", "user": "file"}},
        ],
        "current-context": "one",
        **changes,
    }


def read(folder: Path, document: object, **asked: str) -> Cluster:
    """Write a kubeconfig and read it."""
    file = folder / "config"
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return cluster(str(file), **asked)


def test_the_current_context_names_server_user_and_namespace(tmp_path: Path) -> None:
    found = read(tmp_path, config())
    assert (found.server, found.user, found.token) == ("http://127.0.0.1:8080", "me", "secret")
    assert (found.namespace, found.tls, found.source) == ("team", None, tmp_path / "config")


def test_another_context_may_be_asked_for_and_its_files_are_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from a file\n")
    found = read(tmp_path, config(), context="two")
    assert (found.server, found.token, found.namespace) == ("http://gateway:1", "from a file", "default")
    assert read(tmp_path, config(), context="two", namespace="mine").namespace == "mine"


def test_of_several_files_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text(yaml.safe_dump({"current-context": "two"}))
    (tmp_path / "b").write_text(yaml.safe_dump(config()))
    (tmp_path / "token").write_text("t")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'a'}:{tmp_path / 'none'}:{tmp_path / 'b'}")
    assert cluster().server == "http://gateway:1"


CERTIFICATE = base64.b64encode(b"no certificate").decode()


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("a: [", "is not readable YAML"),
        ("- a\n- list\n", "holds no kubeconfig"),
        ("", "there is no context ''"),
        (config(**{"current-context": "three"}), "there is no context 'three'"),
        (config(clusters=[]), "there is no cluster 'here'"),
        (config(users=None), "there is no user 'me'"),
        (config(clusters=["here"]), "cannot be used"),
        (config(clusters=[{"name": "here", "cluster": {}}]), "'' is no address"),
        (config(clusters=[{"name": "here", "cluster": {"server": "gateway:7443"}}]), "'gateway:7443' is no address"),
        (config(clusters=[{"name": "here", "cluster": {"server": "https://[::1"}}]), "is no address"),
        (config(users=[{"name": "me", "user": {"tokenFile": "nothing"}}]), "No such file"),
        (
            config(
                clusters=[
                    {"name": "here", "cluster": {"server": "https://h", "certificate-authority-data": CERTIFICATE}}
                ]
            ),
            "cannot be used",
        ),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_named_with_what_is_wrong(
    tmp_path: Path, document: object, says: str
) -> None:
    with pytest.raises(Problem) as refused:
        read(tmp_path, document)
    assert (refused.value.reason, refused.value.field) == ("BadKubeconfig", str(tmp_path / "config"))
    assert says in refused.value.message


def test_no_kubeconfig_at_all_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="vmflow kubeconfig") as refused:
        cluster(str(tmp_path / "nothing"))
    assert refused.value.reason == "NoKubeconfig"
