"""How a refusal is worded: the field as Kubernetes writes it, a sentence, and no more of them than people read."""

import pytest

from domain.problem import Verdict
from manifests.base import InvalidManifestError, cause, field_path
from tests.manifests.examples import at, refused, virtual_server


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ((), ""),
        (("spec",), "spec"),
        (("spec", "network", "tcp", 0), "spec.network.tcp[0]"),
        (("items", 3, "name"), "items[3].name"),
        (("rows", 1, 2), "rows[1][2]"),
        (("metadata", "labels", "example.org/role"), "metadata.labels.example.org/role"),
        (("metadata", "labels", "bad key", "[key]"), "metadata.labels.bad key"),
        (("spec", "a\x1b[31m"), "spec.'a\\x1b[31m'"),
    ],
)
def test_a_location_is_written_as_kubernetes_writes_it(location: tuple[int | str, ...], path: str) -> None:
    assert field_path(location) == path


@pytest.mark.parametrize(
    ("location", "document", "path"),
    [
        (("network", "nat", "subnet"), {"network": {"subnet": 1}}, "network.subnet"),
        (("network", "nat", "subnet"), {"network": {}}, "network.subnet"),
        (("disks", 1, "pvc", "name"), {"disks": [{}, {"name": ""}]}, "disks[1].name"),
        (("network", "name"), {"network": "text"}, "network.name"),
        (("name", 0, "x"), {"name": "text"}, "name[0].x"),
    ],
)
def test_the_tag_of_a_unions_member_is_no_part_of_the_path(
    location: tuple[int | str, ...],
    document: object,
    path: str,
) -> None:
    assert field_path(location, document) == path


def test_kubernetes_words_are_used_where_it_has_them() -> None:
    document = at(at(virtual_server(), "spec.bios", "uefi"), "spec.storage.root.source", {"http": {}})
    assert refused(document) == {"spec.bios": "unknown field", "spec.storage.root.source.http.url": "required"}


def test_a_validators_sentence_stands_as_it_is() -> None:
    error = ValueError("a port is exposed once")
    told = cause(
        {"type": "value_error", "loc": ("spec",), "msg": "Value error, …", "input": 1, "ctx": {"error": error}}
    )
    assert told == ("spec", "a port is exposed once")


def test_everything_else_is_told_in_pydantics_words() -> None:
    told = cause({"type": "string_type", "loc": ("kind",), "msg": "Input should be a valid string", "input": 1})
    assert told == ("kind", "Input should be a valid string")


def test_a_refusal_is_terminal_and_names_every_field() -> None:
    refusal = InvalidManifestError([("spec.a", "unknown field"), ("", "is no object")])
    assert (refusal.reason, refusal.verdict) == ("InvalidManifest", Verdict.TERMINAL)
    assert str(refusal) == "spec.a: unknown field; is no object"


def test_a_refusal_keeps_all_causes_and_tells_some() -> None:
    refusal = InvalidManifestError((f"spec.f{number}", "unknown field") for number in range(5000))
    assert len(refusal.causes) == 5000
    assert str(refusal).endswith("spec.f9: unknown field; and 4990 more")


def test_ten_causes_are_told_one_by_one() -> None:
    assert "more" not in str(InvalidManifestError((f"spec.f{number}", "unknown field") for number in range(10)))
