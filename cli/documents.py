"""Manifests from files, folders and standard input."""

import sys
from pathlib import Path
from typing import Any

import yaml

from domain.problem import Problem

Document = dict[str, Any]

LIMIT = 1024 * 1024
"""Bytes of one file; a larger one is not a manifest."""


class _Loader(yaml.SafeLoader):
    """YAML without aliases: no manifest needs them, and nested ones grow without bound."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed in a manifest")
        return super().compose_node(parent, index)


def read(path: str) -> list[Document]:
    """Return the documents of a file, of every .yaml, .yml and .json of a folder, or of standard input (`-`).

    Raises Problem.terminal `InvalidManifest` that names the file.
    """
    if path == "-":
        return _documents("standard input", sys.stdin.read(LIMIT + 1))
    found = Path(path)
    files = sorted(each for each in found.glob("*") if each.suffix in {".yaml", ".yml", ".json"})
    if not found.is_dir():
        files = [found]
    return [document for file in files for document in _documents(str(file), _text(file))]


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(LIMIT + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Problem.terminal("InvalidManifest", f"cannot be read: {error}", field=str(file)) from error


def _documents(name: str, text: str) -> list[Document]:
    if len(text) > LIMIT:
        raise Problem.terminal("InvalidManifest", f"is larger than {LIMIT} bytes", field=name)
    try:
        documents = [each for each in yaml.load_all(text, _Loader) if each is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Problem.terminal("InvalidManifest", f"is not YAML: {error}", field=name) from error
    for document in documents:
        if not isinstance(document, dict):
            raise Problem.terminal("InvalidManifest", "holds something that is not an object", field=name)
    return documents
