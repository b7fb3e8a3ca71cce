"""Manifests from files, folders and standard input."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from domain.problem import Problem
from manifests.registry import kind_of, parse

Document = dict[str, Any]

LIMIT = 1024 * 1024
"""Characters of one file; a larger one is not a manifest."""

_SUFFIXES = {".yaml", ".yml", ".json"}


class _Loader(yaml.SafeLoader):
    """YAML without aliases: no manifest needs them, and nested ones grow without bound."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed in a manifest")
        return super().compose_node(parent, index)


def read(path: str) -> list[Document]:
    """Return the documents of a file, of every .yaml, .yml and .json of a folder, or of standard input (`-`).

    Raises Problem.terminal `InvalidManifest` that names the file, also when there is nothing in it.
    """
    if path == "-":
        return _documents("standard input", sys.stdin.read(LIMIT + 1))
    found = Path(path)
    if not found.is_dir():
        return _documents(path, _text(found))
    files = sorted(each for each in found.iterdir() if each.suffix in _SUFFIXES)
    if not files:
        raise _invalid(path, "has no .yaml, .yml or .json file")
    return [document for file in files for document in _documents(str(file), _text(file))]


def read_checked(paths: Iterable[str], namespace: str | None) -> list[Document]:
    """Return the documents of all these places, each of them a manifest without a fault.

    namespace: of the objects that name none; one that names another is refused.
    Raises Problem.terminal `InvalidManifest` that names the place and the field.
    """
    documents = []
    for path in paths:
        for document in read(path):
            try:
                kept = _in_namespace(document, namespace) if namespace else document
                parse(kept)
            except Problem as problem:
                raise _invalid("standard input" if path == "-" else path, str(problem)) from problem
            documents.append(kept)
    return documents


def _in_namespace(document: Document, namespace: str) -> Document:
    metadata = document.get("metadata")
    if not kind_of(document).namespaced or not isinstance(metadata, dict):
        return document
    named = metadata.setdefault("namespace", namespace)
    if named != namespace:
        message = f"is {named}, and --namespace says {namespace}; leave one of them out"
        raise Problem.terminal("InvalidManifest", message, field="metadata.namespace")
    return document


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(LIMIT + 1)
    except OSError as error:
        raise _invalid(str(file), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _invalid(str(file), f"is not UTF-8 text: {error.reason}") from error


def _documents(name: str, text: str) -> list[Document]:
    if len(text) > LIMIT:
        raise _invalid(name, f"is larger than {LIMIT} characters")
    try:
        documents = [each for each in yaml.load_all(text, _Loader) if each is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _invalid(name, f"is not YAML: {' '.join(str(error).split())}") from error
    if not documents:
        raise _invalid(name, "is empty")
    if not all(isinstance(document, dict) for document in documents):
        raise _invalid(name, "holds something that is not an object")
    return documents


def _invalid(place: str, message: str) -> Problem:
    return Problem.terminal("InvalidManifest", message, field=place)
