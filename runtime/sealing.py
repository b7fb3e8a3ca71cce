"""Sealing: what a Secret says is encrypted before Temporal sees it, and decrypted for those who may read it.

Every value is sealed by itself with AES-256-GCM under a nonce of its own. Namespace, name and key of the value are
bound to it as associated data, so that a sealed value which is copied elsewhere does not open there. The key file holds
one key a line, in base64: the first one seals, all of them open. To change the key, put a new line before the others,
and write the Secrets anew when you can; a key that is taken away closes what it sealed for ever.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.problem import Problem
from manifests.base import InvalidManifestError
from manifests.configuration import LAST_APPLIED, SEALED

Document = dict[str, Any]

_HEADER = "# Keys that seal Secrets: the first one seals, all of them open. Without this file, no Secret can be read.\n"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_DATA, _NOTE = "data", "annotations"


def ensure_key_file(path: Path) -> bool:
    """Make a key file with one new key, for its owner alone, unless there is one; return whether it was made.

    The file appears whole or not at all, and of two who make it at the same time one does.
    """
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(_HEADER + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        return False
    finally:
        partial.unlink()
    return True


class Keyring:
    """The keys of a key file. It is read when the first Secret is met, and again when it has changed.

    path: of the key file; a keyring without one has no keys.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Path("VMFLOW_KEY_FILE")
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, AESGCM] = {}

    def seal(self, document: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Document:
        """Return a document as it may be stored; what is no Secret stays as it is.

        before: the Secret as it is stored now. A value that is the same keeps its seal, so that a Secret which is
        written again unchanged is unchanged; one that was sealed with an earlier key takes today's, unless nothing of
        the Secret may change. Raises InvalidManifestError for a value that only looks sealed.
        """
        kept = bool((before or {}).get("immutable"))
        stored: dict[tuple[str, str], str] = {}
        _changed(before or {}, lambda part, key, value: stored.setdefault((part, key), value))

        def sealed(part: str, key: str, value: str) -> str:
            bound = _bound(document, part, key)
            if SEALED.fullmatch(value):
                self._check(bound, value)
                return value
            plain, old = _plain(part, value), stored.get((part, key), "")
            same = (kept or self._by_first_key(old)) and self._holds(bound, old, plain)
            return old if same else self._sealed(bound, plain)

        return _changed(document, sealed)

    def open(self, document: Mapping[str, Any]) -> Document:
        """Return a document as people wrote it; what is no Secret stays as it is.

        Raises Problem.terminal `SealingKeyMissing` or `SealingKeyInvalid` for the key file, `SealingKeyLost` when it
        does not hold the key, and `SealBroken` when a value was sealed for another place.
        """

        def opened(part: str, key: str, value: str) -> str:
            return (
                _written(part, self._opened(_bound(document, part, key), value)) if SEALED.fullmatch(value) else value
            )

        return _changed(document, opened)

    def _sealed(self, bound: str, plain: bytes) -> str:
        number, key = next(iter(self._current().items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return f"sealed:{number}:{base64.b64encode(nonce + key.encrypt(nonce, plain, bound.encode())).decode()}"

    def _opened(self, bound: str, value: str) -> bytes:
        match = SEALED.fullmatch(value)
        number, box = (match["key"], base64.b64decode(match["box"])) if match else ("", b"")
        key = self._current().get(number)
        if key is None:
            raise Problem.terminal(
                "SealingKeyLost",
                f"sealed with key {number}, which {self._path} does not hold; put it back, or write the Secret anew",
                field=bound,
            )
        try:
            return key.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], bound.encode())
        except InvalidTag as error:
            raise Problem.terminal(
                "SealBroken", "this value was not sealed for this place; write the Secret anew", field=bound
            ) from error

    def _by_first_key(self, sealed: str) -> bool:
        """Return whether a value is sealed as one would be today: a Secret that is written again takes the new key."""
        match = SEALED.fullmatch(sealed)
        return match is not None and match["key"] == next(iter(self._current()))

    def _holds(self, bound: str, sealed: str, plain: bytes) -> bool:
        """Return whether a sealed value says the same."""
        try:
            return self._opened(bound, sealed) == plain
        except Problem:
            return False  # nobody can read it any more; what is written now replaces it

    def _check(self, bound: str, value: str) -> None:
        """Refuse what looks sealed and is not: nobody could read it."""
        try:
            self._opened(bound, value)
        except Problem as problem:
            raise InvalidManifestError([(bound, problem.message)]) from problem

    def _current(self) -> dict[str, AESGCM]:
        """Return the keys by their ids, the one that seals first."""
        try:
            state = self._path.stat()
            seen = (state.st_mtime_ns, state.st_ino)
            if seen != self._seen:
                self._keys = _keys(self._path.read_text())
                self._seen = seen
        except OSError as error:
            raise Problem.terminal(
                "SealingKeyMissing",
                f"the key file for Secrets cannot be read ({error.strerror}); put it back from a backup, or let "
                "`vmflow up` make a new one; what was sealed with another stays closed",
                field=str(self._path),
            ) from error
        except (ValueError, binascii.Error) as error:
            raise Problem.terminal(
                "SealingKeyInvalid",
                "a line of the key file is no key: base64 of 32 bytes is wanted",
                field=str(self._path),
            ) from error
        return self._keys


def _keys(text: str) -> dict[str, AESGCM]:
    lines = [line.strip() for line in text.splitlines()]
    raw = [base64.b64decode(line, validate=True) for line in lines if line and not line.startswith("#")]
    if not raw or any(len(key) != _KEY_BYTES for key in raw):
        raise ValueError("no key, or one of another length")
    return {sha256(key).hexdigest()[:8]: AESGCM(key) for key in raw}


def _changed(document: Mapping[str, Any], change: Callable[[str, str, str], str]) -> Document:
    """Return a document with every secret value changed; `change` gets the value's part, its key, and the value."""
    if document.get("kind") != "Secret":
        return dict(document)
    result = dict(document)
    if data := document.get(_DATA):
        result[_DATA] = {key: change(_DATA, key, value) for key, value in data.items()}
    notes = document["metadata"].get(_NOTE) or {}
    if LAST_APPLIED in notes:
        note = change(_NOTE, LAST_APPLIED, notes[LAST_APPLIED])
        result["metadata"] = {**document["metadata"], _NOTE: {**notes, LAST_APPLIED: note}}
    return result


def _bound(document: Mapping[str, Any], part: str, key: str) -> str:
    """Return what a value is bound to. No part of it but the last can have a slash, so no two places share one."""
    metadata = document["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}/{part}/{key}"


def _plain(part: str, value: str) -> bytes:
    return base64.b64decode(value) if part == _DATA else value.encode()


def _written(part: str, plain: bytes) -> str:
    return base64.b64encode(plain).decode() if part == _DATA else plain.decode()
