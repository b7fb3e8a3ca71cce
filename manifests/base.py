"""What every manifest has in common: the envelope, strict fields, and errors that name the field."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from reprlib import repr as shortened
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from domain.names import check_label, check_name
from domain.problem import Problem, Verdict
from domain.quantity import parse_bytes, parse_cpus
from domain.status import ConditionType

GROUP = "vmflow.dev"
"""API group of the project's own kinds."""

ApiVersion = Literal["vmflow.dev/v1alpha1"]

DEFAULT_NAMESPACE = "default"


class Schema(BaseModel):
    """A part of a manifest: camelCase on the wire, unknown fields refused, control characters refused in every text.

    A field that is null was not written: that is how Kubernetes reads it, and how its tools print what is empty.
    """

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, written: object) -> object:
        if not isinstance(written, Mapping):
            return written
        known = {*cls.model_fields, *(each.alias for each in cls.model_fields.values())}
        return {key: value for key, value in written.items() if value is not None or key not in known}


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
"""What XML 1.0 cannot carry (https://www.w3.org/TR/xml/#charsets) and what a terminal would obey."""
_LABEL_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_CAUSES_TOLD = 10
"""How many causes a message names; a manifest may have thousands."""


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("control characters are not allowed")
    return text


def _single_line(text: str) -> str:
    if not _printable(text).isprintable():
        raise ValueError("one line of printable characters is wanted")
    return text


def _label_key(text: str) -> str:
    if not _LABEL_KEY.fullmatch(text):
        raise ValueError(
            "a key has at most 63 letters, digits, '-', '_' and '.', after a DNS name and '/' if it has one"
        )
    return text


def _label_value(text: str) -> str:
    if not _LABEL_VALUE.fullmatch(text):
        raise ValueError("a label has at most 63 letters, digits, '-', '_' and '.'; a letter or digit first and last")
    return text


def _quantity(value: object) -> object:
    if isinstance(value, str | int) and not isinstance(value, bool):
        parse_bytes(value)
        return str(value)
    return value


def _cores(value: object) -> object:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(parse_cpus(value))
    return value


def not_yet(why: str, *, harmless: tuple[object, ...] = ()) -> AfterValidator:
    """Return what refuses a field that vmflow knows but cannot honour yet, so that nobody believes it took effect.

    Values that ask for nothing (null, an empty list or object, and the `harmless`) are accepted.
    """

    def refuse(value: object) -> object:
        if value is None or value in ([], {}, *harmless):
            return value
        raise ValueError(f"not supported yet: {why}")

    return AfterValidator(refuse)


ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of all annotations together, as in Kubernetes: an object is published whole, again and again."""


def _small(annotations: dict[str, str]) -> dict[str, str]:
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        raise ValueError(f"at most {ANNOTATIONS_LIMIT} bytes, keys and values of all together")
    return annotations


LABELS_LIMIT = 256
"""Labels of one object; Kubernetes has no limit but the object's size. Whoever selects looks at all of them."""


def _few(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > LABELS_LIMIT:
        raise ValueError(f"at most {LABELS_LIMIT} labels")
    return labels


def at_least(least: str) -> Callable[[str], str]:
    """Return a check that a quantity is not smaller than another."""

    def check(quantity: str) -> str:
        if parse_bytes(quantity) < parse_bytes(least):
            raise ValueError(f"at least {least}")
        return quantity

    return check


def at_most(most: str) -> Callable[[str], str]:
    """Return a check that a quantity is not larger than another."""

    def check(quantity: str) -> str:
        if parse_bytes(quantity) > parse_bytes(most):
            raise ValueError(f"at most {most}")
        return quantity

    return check


Text = Annotated[str, AfterValidator(_printable)]
Line = Annotated[str, AfterValidator(_single_line)]
Name = Annotated[str, AfterValidator(check_name)]
NamespaceName = Annotated[str, AfterValidator(check_label)]
Quantity = Annotated[str, BeforeValidator(_quantity)]
Cores = Annotated[str, BeforeValidator(_cores)]
Count = Annotated[int, Field(ge=1, strict=True)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
LabelKey = Annotated[str, AfterValidator(_label_key)]
Labels = Annotated[dict[LabelKey, Annotated[str, AfterValidator(_label_value)]], AfterValidator(_few)]
Annotations = Annotated[dict[LabelKey, Text], AfterValidator(_small)]


class ObjectMeta(Schema):
    """Metadata that people write. What the server adds (uid, creationTimestamp, ...) is accepted and not kept.

    name: what the object is called; a DNS name, and unique among the objects of its kind in its namespace.
    generateName: what a generated name begins with, where no name is written.
    labels: words to select objects by.
    annotations: what people and tools note about the object.
    finalizers: kept as written; a deletion does not wait for them.
    ownerReferences: kept as written; owners' deletion does not follow them.
    managedFields: who set which field, kept by the server for server-side apply.
    uid: this object and no other of the same name, before or after; the server's.
    generation: counts the declarations of this object; the server's.
    resourceVersion: changes with every change of the object; a write that names it is refused when it is outdated.
    creationTimestamp: when the object was created; the server's.
    deletionTimestamp: when its deletion was asked for; the server's.
    deletionGracePeriodSeconds: the server's.
    selfLink: not used any more.
    """

    name: Name
    generate_name: str | None = Field(default=None, max_length=253)
    labels: Labels = Field(default_factory=dict)
    annotations: Annotations = Field(default_factory=dict)
    finalizers: list[Line] | None = None
    owner_references: list[dict[str, Any]] | None = None
    managed_fields: list[dict[str, Any]] | None = None
    uid: str | None = Field(default=None, exclude=True)
    generation: int | None = Field(default=None, exclude=True)
    resource_version: str | None = Field(default=None, exclude=True)
    creation_timestamp: str | None = Field(default=None, exclude=True)
    deletion_timestamp: str | None = Field(default=None, exclude=True)
    deletion_grace_period_seconds: int | None = Field(default=None, exclude=True)
    self_link: str | None = Field(default=None, exclude=True)


SERVER_MADE = frozenset(str(field.alias) for field in ObjectMeta.model_fields.values() if field.exclude)
"""Fields of metadata that only the server writes."""


class NamespacedMeta(ObjectMeta):
    """Metadata of an object in a namespace.

    namespace: where the object is; `default` where it says nothing.
    """

    namespace: NamespaceName = DEFAULT_NAMESPACE


class Manifest(Schema):
    """An object as people write it. A status that comes along (an edited `get -o yaml`) is accepted and not kept."""

    SECRET_FIELDS: ClassVar[frozenset[str]] = frozenset()
    """Fields whose values are shown to nobody unless they are sealed."""
    ALWAYS_SAYS: ClassVar[tuple[ConditionType, ...]] = ()
    """Conditions that every object of the kind has, beside `Failure`."""

    api_version: str
    kind: str
    metadata: ObjectMeta
    status: dict[str, Any] | None = Field(default=None, exclude=True)

    @property
    def namespace(self) -> str:
        """The object's namespace; empty for kinds that have none."""
        return self.metadata.namespace if isinstance(self.metadata, NamespacedMeta) else ""

    def document(self) -> dict[str, Any]:
        """Return the manifest as it goes over the wire: camelCase, with defaults, nothing null, no empty labels."""
        document = self.model_dump(by_alias=True, mode="json", exclude_none=True)
        document["metadata"] = {name: value for name, value in document["metadata"].items() if value not in ({}, [])}
        return document

    def content(self) -> dict[str, Any]:
        """Return what the object is, without what it is called: a change of it begins a new generation."""
        return {name: value for name, value in self.document().items() if name != "metadata"}

    def standing(self) -> dict[str, Any]:
        """Return the status of an object that is only declared; empty for kinds that have none."""
        return {}

    def check_edit(self, before: Self) -> None:
        """Raise InvalidManifestError naming every field in which this edit changes what such an object keeps."""

    def check_at_rest(self) -> None:
        """Raise InvalidManifestError when this must not be stored as it is."""


Kept = tuple[str, object, object]
"""A field that an edit must keep: its path, its value before, and as it is to be."""


def check_kept(*kept: Kept, why: str = "field is immutable") -> None:
    """Raise InvalidManifestError naming every field that is not what it was, in Kubernetes' words."""
    if errors := [(field, why) for field, was, to_be in kept if was != to_be]:
        raise InvalidManifestError(errors)


class InvalidManifestError(Problem):
    """A manifest that cannot be accepted; `causes` has one (field, message) each, of which the message tells some.

    field: the id of the object whose workflow says so.
    """

    def __init__(self, causes: Iterable[tuple[str, str]], *, field: str = "") -> None:
        self.causes = tuple(causes)
        told = [f"{field}: {message}" if field else message for field, message in self.causes[:_CAUSES_TOLD]]
        more = len(self.causes) - len(told)
        text = "; ".join([*told, f"and {more} more"] if more else told)
        super().__init__("InvalidManifest", text, verdict=Verdict.TERMINAL, field=field)


def field_path(location: Sequence[int | str], document: object = None) -> str:
    """Return a pydantic error location the way Kubernetes writes fields: `spec.network.tcp[0]`.

    What pydantic adds to a path and the document does not have is left out: the tag of a union's member in the middle,
    `[key]` at the end.
    """
    path, here = "", document
    for place, part in enumerate(location):
        if isinstance(part, int):
            path += f"[{part}]"
            here = here[part] if isinstance(here, list) else None
        elif part == "[key]" or (isinstance(here, Mapping) and part not in here and place < len(location) - 1):
            continue
        else:
            path += f".{part if part.isprintable() else shortened(part)}"
            here = here.get(part) if isinstance(here, Mapping) else None
    return path.removeprefix(".")


def cause(error: ErrorDetails, document: object = None) -> tuple[str, str]:
    """Return the field and the sentence of one pydantic error, in Kubernetes' words where it has them."""
    field = field_path(error["loc"], document)
    match error["type"]:
        case "extra_forbidden":
            return field, "unknown field"
        case "missing":
            return field, "required"
        case "value_error":
            return field, str(error["ctx"]["error"])
        case _:
            return field, error["msg"]
