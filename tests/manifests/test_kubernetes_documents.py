"""Manifests of Kubernetes' own kinds as people write them: every one is accepted, and nothing of it is lost."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests.base import SERVER_MADE
from manifests.registry import KINDS, parse
from tests.manifests.examples import Document, causes

DOCUMENTS: list[Document] = [
    document
    for path in sorted((Path(__file__).parent / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]


def called(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def missing(written: Any, kept: Any, path: str = "") -> list[str]:
    """Return what was written and is not kept; numbers that are quantities are kept as text."""
    if isinstance(written, dict):
        return [
            lost
            for key, value in written.items()
            if value is not None
            for lost in (missing(value, kept[key], f"{path}.{key}") if key in kept else [f"{path}.{key}"])
        ]
    if isinstance(written, list):
        return [lost for one, other in zip(written, kept, strict=True) for lost in missing(one, other, path)]
    return [] if kept in (written, str(written)) else [path]


@pytest.mark.parametrize("document", DOCUMENTS, ids=called)
def test_it_is_accepted(document: Document) -> None:
    assert causes(document) == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=called)
def test_nothing_that_people_wrote_is_lost(document: Document) -> None:
    kept = parse(document).document()
    lost = set(missing(document, kept)) - {f".metadata.{name}" for name in SERVER_MADE} - {".status", ".stringData"}
    assert lost == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=called)
def test_what_was_read_may_be_written_back(document: Document) -> None:
    kept = parse(document).document()
    again = parse({**kept, "status": parse(document).standing()})
    assert again.document() == kept
    again.check_edit(parse(document))


def test_every_kind_that_is_only_declared_is_here() -> None:
    declared = {kind.kind for kind in KINDS if kind.editable} - {"VirtualServer"}
    assert {document["kind"] for document in DOCUMENTS} == declared
