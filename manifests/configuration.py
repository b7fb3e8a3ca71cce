"""Core `v1` ConfigMap and Secret: what programs are configured with.

Limits and rules are those of Kubernetes (https://kubernetes.io/docs/concepts/configuration/). A Secret's values are
sealed before they are stored: `Sealed` says what that looks like, runtime/sealing.py does it.
"""

import base64
import binascii
import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from manifests.base import InvalidManifestError, Line, Manifest, NamespacedMeta, check_kept
from manifests.core import CoreVersion

DATA_LIMIT = 1024 * 1024
"""Bytes of all values together, as in Kubernetes."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which `kubectl apply` keeps the manifest as it was written: of a Secret, that is the secret."""

SEALED = re.compile(r"sealed:(?P<key>[0-9a-f]{8}):(?P<box>[A-Za-z0-9+/]{38,}={0,2})", re.ASCII)
"""A sealed value: the id of its key, and in base64 a nonce of 12 bytes, the ciphertext, and a tag of 16 bytes.

No base64 contains a colon, so no value that is not sealed looks like one.
"""
_SEAL = 12 + 16

_KEY = re.compile(r"(?!\.\.?$)[-._a-zA-Z0-9]{1,253}", re.ASCII)


def _config_key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise ValueError("a key has at most 253 letters, digits, '-', '_' and '.', and is neither '.' nor '..'")
    return text


def _base64(text: str) -> str:
    """Accept what Go's decoder does: standard base64, with line ends in between."""
    try:
        base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is not base64") from None
    return text


def _base64_or_sealed(text: str) -> str:
    return text if SEALED.fullmatch(text) else _base64(text)


def _size(encoded: str) -> int:
    """Return how many bytes a value in base64 has, sealed or not."""
    sealed = SEALED.fullmatch(encoded)
    box = sealed["box"] if sealed else re.sub(r"[\r\n]", "", encoded)
    return len(box) // 4 * 3 - box.count("=") - (_SEAL if sealed else 0)


def _check_size(size: int) -> None:
    if size > DATA_LIMIT:
        raise ValueError(f"{size} bytes of data, keys not counted; at most {DATA_LIMIT} are possible")


Key = Annotated[str, AfterValidator(_config_key)]
Base64 = Annotated[str, AfterValidator(_base64)]
Immutable = Annotated[bool, Field(strict=True)]
UNCHANGEABLE = "field is immutable when `immutable` is set"


class ConfigMap(Manifest):
    """What programs are configured with, and nothing secret.

    data: texts by key.
    binaryData: bytes by key, in base64; no key stands in both.
    immutable: when true, neither data nor this is changed any more.
    """

    api_version: CoreVersion
    kind: Literal["ConfigMap"]
    metadata: NamespacedMeta
    data: dict[Key, str] | None = None
    binary_data: dict[Key, Base64] | None = None
    immutable: Immutable | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        data, binary = self.data or {}, self.binary_data or {}
        if twice := sorted(data.keys() & binary.keys()):
            raise ValueError(f"keys in both data and binaryData: {', '.join(twice)}")
        _check_size(sum(len(each.encode()) for each in data.values()) + sum(map(_size, binary.values())))
        return self

    def check_edit(self, before: Self) -> None:
        """Refuse to change what is immutable."""
        if before.immutable:
            check_kept(
                ("immutable", True, bool(self.immutable)),
                ("data", before.data or {}, self.data or {}),
                ("binaryData", before.binary_data or {}, self.binary_data or {}),
                why=UNCHANGEABLE,
            )


NEEDED: dict[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
"""Keys that a Secret of a type must have."""

BASIC_AUTH = "kubernetes.io/basic-auth"


class Secret(Manifest):
    """What programs must know and nobody else: passwords, keys, tokens. Stored sealed, and shown to those who may.

    data: values by key, in base64.
    stringData: texts by key, for writing: they are put into `data` and never shown.
    type: what it holds; some types must have certain keys.
    immutable: when true, neither data nor this is changed any more.
    """

    SECRET_FIELDS: ClassVar[frozenset[str]] = frozenset({"data", "stringData"})

    api_version: CoreVersion
    kind: Literal["Secret"]
    metadata: NamespacedMeta
    type: Line = "Opaque"
    data: dict[Key, Annotated[str, AfterValidator(_base64_or_sealed)]] | None = None
    string_data: Annotated[dict[Key, str] | None, Field(exclude=True)] = None
    immutable: Immutable | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.string_data:
            written = {key: base64.b64encode(text.encode()).decode() for key, text in self.string_data.items()}
            self.data = {**(self.data or {}), **written}
        self.string_data = None
        data = self.data or {}
        _check_size(sum(map(_size, data.values())))
        if missing := [key for key in NEEDED.get(self.type, ()) if key not in data]:
            raise ValueError(f"a secret of type {self.type} has in data: {', '.join(missing)}")
        if self.type == BASIC_AUTH and not {"username", "password"} & data.keys():
            raise ValueError(f"a secret of type {self.type} has in data: username or password")
        return self

    def check_edit(self, before: Self) -> None:
        """Refuse another type, and to change what is immutable."""
        check_kept(("type", before.type, self.type))
        if before.immutable:
            check_kept(
                ("immutable", True, bool(self.immutable)),
                ("data", before.data or {}, self.data or {}),
                why=UNCHANGEABLE,
            )

    def check_at_rest(self) -> None:
        """Refuse to store what is not sealed."""
        note = self.metadata.annotations.get(LAST_APPLIED, "")
        values = [(f"data[{key}]", value) for key, value in (self.data or {}).items()]
        values += [(f"metadata.annotations[{LAST_APPLIED}]", note)] if note else []
        if bare := [field for field, value in values if not SEALED.fullmatch(value)]:
            why = "a secret must be sealed before it is stored; create it through the gateway or vmflow, and change it"
            raise InvalidManifestError([(field, why) for field in bare])
