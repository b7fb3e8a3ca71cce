"""Reading manifests: what is read, and what is refused with the name of the place."""

import io
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.documents import LIMIT, read, read_checked
from domain.problem import Problem, Verdict


def zone(name: str) -> dict[str, Any]:
    return {"apiVersion": "vmflow.dev/v1alpha1", "kind": "Zone", "metadata": {"name": name}}


def image(**metadata: str) -> dict[str, Any]:
    return {
        "apiVersion": "vmflow.dev/v1alpha1",
        "kind": "Image",
        "metadata": {"name": "debian", **metadata},
        "spec": {"source": {"http": {"url": "http://host/disk"}}},
    }


def written(path: Path, *documents: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


def refusal(path: str) -> Problem:
    with pytest.raises(Problem) as caught:
        read(path)
    assert (caught.value.reason, caught.value.verdict) == ("InvalidManifest", Verdict.TERMINAL)
    return caught.value


def test_a_file_holds_several_documents_and_empty_ones_are_nothing(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text("---\na: 1\n---\n---\nb: 2\n---\n")
    assert read(str(file)) == [{"a": 1}, {"b": 2}]


def test_a_folder_is_read_by_name_and_holds_yaml_and_json_only(tmp_path: Path) -> None:
    written(tmp_path / "b.yml", zone("b"))
    written(tmp_path / "a.yaml", zone("a"))
    (tmp_path / "c.json").write_text('{"kind": "Zone", "metadata": {"name": "c"}}')
    (tmp_path / "README.md").write_text("not: [a manifest")
    assert [each["metadata"]["name"] for each in read(str(tmp_path))] == ["a", "b", "c"]


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a: 1"))
    assert read("-") == [{"a": 1}]


def test_aliases_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "laughs.yaml"
    file.write_text("a: &a [lol, lol]\nb: [*a, *a]\n")
    problem = refusal(str(file))
    assert (problem.field, problem.message) == (str(file), "is not YAML: aliases are not allowed in a manifest")


def test_a_file_may_be_as_large_as_the_limit_and_not_larger(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_text("a: ".ljust(LIMIT, "x"))
    assert len(read(str(file))[0]["a"]) == LIMIT - 3
    file.write_text("a: ".ljust(LIMIT + 1, "x"))
    assert f"larger than {LIMIT} characters" in refusal(str(file)).message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"# nothing\n---\n", "is empty"),
        (b"- 1\n", "holds something that is not an object"),
        (b"{a: [}", "is not YAML: "),
        (b"a: \xff", "is not UTF-8 text: "),
        (b"[" * 100_000, "is not YAML: "),
        (b"a: !!python/object:os.system {}", "is not YAML: "),
        (b"a: 9999-99-99", "is not YAML: "),
    ],
    ids=["empty", "comments", "list", "broken", "not text", "deep", "tag", "impossible date"],
)
def test_what_is_no_manifest_is_refused_in_one_line_that_names_the_file(
    tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    problem = refusal(str(file))
    assert problem.field == str(file)
    assert problem.message.startswith(says)
    assert "\n" not in problem.message


def test_what_is_not_there_and_a_folder_without_manifests_are_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(str(tmp_path / "missing.yaml")).message
    assert refusal(str(tmp_path)).message == "has no .yaml, .yml or .json file"


def test_a_fault_is_told_with_its_file_and_its_field(tmp_path: Path) -> None:
    good = written(tmp_path / "good.yaml", zone("good"))
    bad = written(tmp_path / "bad.yaml", {**zone("bad"), "spec": {"colour": "red"}})
    with pytest.raises(Problem) as caught:
        read_checked([good, bad], None)
    assert str(caught.value) == f"{bad}: spec.colour: unknown field"


def test_a_namespace_is_for_objects_that_name_none(tmp_path: Path) -> None:
    file = written(tmp_path / "all.yaml", zone("z"), image(), image(namespace="team"))
    names = [each["metadata"].get("namespace") for each in read_checked([file], None)]
    assert names == [None, None, "team"]
    assert [each["metadata"].get("namespace") for each in read_checked([written(tmp_path / "a", image())], "team")] == [
        "team"
    ]


def test_an_object_of_another_namespace_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "image.yaml", image(namespace="other"))
    with pytest.raises(Problem, match=r"metadata\.namespace: is other, and --namespace says team"):
        read_checked([file], "team")
