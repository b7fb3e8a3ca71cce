"""What every manifest has in common: the envelope, strict fields, and errors that name the field."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from domain.names import check_label, check_name
from domain.problem import Problem, Verdict
from domain.quantity import parse_bytes

GROUP = "vmflow.dev"
"""API group of the project's own kinds."""

DEFAULT_NAMESPACE = "default"


class Schema(BaseModel):
    """A part of a manifest: camelCase on the wire, unknown fields refused, control characters refused in every text."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid")


def _printable(text: str) -> str:
    """Refuse what XML 1.0 and terminals cannot carry (https://www.w3.org/TR/xml/#charsets)."""
    if any(ord(char) < 32 and char not in "\t\n\r" for char in text) or "\x7f" in text or "\ufffe" in text:  # noqa: PLR2004
        raise ValueError("control characters are not allowed")
    return text


def _quantity(value: object) -> object:
    if isinstance(value, str | int) and not isinstance(value, bool):
        parse_bytes(value)
        return str(value)
    return value


Text = Annotated[str, AfterValidator(_printable)]
Name = Annotated[str, AfterValidator(check_name)]
NamespaceName = Annotated[str, AfterValidator(check_label)]
Quantity = Annotated[str, BeforeValidator(_quantity)]
Port = Annotated[int, Field(ge=1, le=65535)]
Labels = dict[Annotated[Text, Field(max_length=317)], Annotated[Text, Field(max_length=63)]]
Annotations = dict[Annotated[Text, Field(max_length=317)], Annotated[Text, Field(max_length=262144)]]


class ObjectMeta(Schema):
    """Metadata that people write. What the server adds (uid, creationTimestamp, ...) is accepted and not kept."""

    name: Name
    labels: Labels = Field(default_factory=dict)
    annotations: Annotations = Field(default_factory=dict)
    uid: str | None = Field(default=None, exclude=True)
    generation: int | None = Field(default=None, exclude=True)
    resource_version: str | None = Field(default=None, exclude=True)
    creation_timestamp: str | None = Field(default=None, exclude=True)
    deletion_timestamp: str | None = Field(default=None, exclude=True)


class NamespacedMeta(ObjectMeta):
    """Metadata of an object in a namespace."""

    namespace: NamespaceName = DEFAULT_NAMESPACE


class Manifest(Schema):
    """An object as people write it. A status that comes along (an edited `get -o yaml`) is accepted and not kept."""

    api_version: str
    kind: str
    metadata: ObjectMeta
    status: dict[str, Any] | None = Field(default=None, exclude=True)

    @property
    def namespace(self) -> str:
        """The object's namespace; empty for kinds that have none."""
        return self.metadata.namespace if isinstance(self.metadata, NamespacedMeta) else ""

    def document(self) -> dict[str, Any]:
        """Return the manifest as it goes over the wire: camelCase, without what was left out."""
        return self.model_dump(by_alias=True, mode="json", exclude_none=True, exclude_defaults=False)


class InvalidManifestError(Problem):
    """A manifest that cannot be accepted; `causes` has one (field, message) each."""

    def __init__(self, causes: Iterable[tuple[str, str]]) -> None:
        self.causes = tuple(causes)
        text = "; ".join(f"{field}: {message}" if field else message for field, message in self.causes)
        super().__init__("InvalidManifest", text, verdict=Verdict.TERMINAL)


def field_path(location: Iterable[int | str]) -> str:
    """Return a pydantic error location the way Kubernetes writes fields: `spec.network.tcp[0]`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def cause(error: ErrorDetails) -> tuple[str, str]:
    """Return the field and the sentence of one pydantic error, in Kubernetes' words where it has them."""
    field = field_path(error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return field, "unknown field"
        case "missing":
            return field, "required"
        case "value_error":
            return field, str(error["ctx"]["error"])
        case _:
            return field, error["msg"]


ApiVersion = Literal["vmflow.dev/v1alpha1"]
