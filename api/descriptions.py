"""Descriptions of fields, from the docstring of the class that has them.

The convention: a docstring says what the class is, and tells of fields as `name: text`, at the start of a line, or
after the end of a sentence or a semicolon. Several fields may share a text: `tcp, udp: ports that are reachable`.

    \"\"\"CPUs of the guest. cores: whole number; model: a QEMU CPU model.

    maxCores: how many it may be given while it runs.
    \"\"\"

Only names the class has count, so every other colon is just a colon.
"""

import re
from collections.abc import Iterable


def described(docstring: str, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of the class and of each of these fields (camelCase names)."""
    known = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    if not known:
        return _sentence(docstring), {}
    told = re.compile(rf"(?:^|(?<=[.;]\s))((?:{known})(?:,\s(?:{known}))*):\s+", re.MULTILINE)
    about: list[str] = []
    fields: dict[str, str] = {}
    for paragraph in docstring.split("\n\n"):
        found = list(told.finditer(paragraph))
        about.append(paragraph[: found[0].start()] if found else paragraph)
        ends = [*(each.start() for each in found[1:]), len(paragraph)]
        for match, end in zip(found, ends, strict=False):
            text = _sentence(paragraph[match.end() : end])
            fields.update(dict.fromkeys(re.split(r",\s", match[1]), text))
    return " ".join(_sentence(part) for part in about if part.strip()), fields


def _sentence(text: str) -> str:
    """Return a text on one line that begins and ends like a sentence; a word in code style keeps its case."""
    line = " ".join(text.split()).rstrip(";")
    if not line:
        return ""
    first = line.split(maxsplit=1)[0]
    if first.rstrip(",.:;").islower() and first[0].isalpha():
        line = line[0].upper() + line[1:]
    return line if line[-1] in ".!?" else f"{line}."
