"""Media types, and what a client asks for with `Accept`. Pure.

    wanted("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")  →  Form.TABLE

Kubernetes puts the shape of an answer into parameters of its media type: `as` names a kind, `g` and `v` its group and
version. The first alternative that can be served counts, as in Kubernetes: quality values are not looked at.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

JSON = "application/json"
YAML = "application/yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

DISCOVERY_JSON = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""The content type of aggregated discovery."""


class Form(StrEnum):
    """The shape in which a client wants objects; PARTIAL is metadata alone."""

    OBJECT = ""
    TABLE = "Table"
    PARTIAL = "PartialObjectMetadata"
    PARTIAL_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"


_FORMS: Mapping[Form, tuple[str, frozenset[str]]] = {
    Form.TABLE: ("meta.k8s.io", frozenset({"v1"})),
    Form.PARTIAL: ("meta.k8s.io", frozenset({"v1"})),
    Form.PARTIAL_LIST: ("meta.k8s.io", frozenset({"v1"})),
    Form.DISCOVERY: ("apidiscovery.k8s.io", frozenset({"v2"})),
}

OBJECT_FORMS = frozenset({Form.OBJECT, Form.TABLE, Form.PARTIAL, Form.PARTIAL_LIST})
DISCOVERY_FORMS = frozenset({Form.OBJECT, Form.DISCOVERY})


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """Return a media type in lower case and its parameters."""
    name, *parameters = (part.strip() for part in header.split(";"))
    pairs = (part.partition("=") for part in parameters if part)
    return name.lower(), {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}


def wanted(accept: str, forms: Iterable[Form] = OBJECT_FORMS) -> Form | None:
    """Return the form a client asks for, of those possible; None when it takes none of them (406)."""
    possible = frozenset(forms)
    for alternative in (accept or "*/*").split(","):
        name, parameters = media_type(alternative)
        if name not in {JSON, "application/*", "*/*"}:
            continue
        form = _form(parameters)
        if form in possible:
            return form
    return None


def _form(parameters: Mapping[str, str]) -> Form | None:
    kind = parameters.get("as", "")
    if kind not in set(Form):
        return None
    form = Form(kind)
    if form is Form.OBJECT:
        return form
    group, versions = _FORMS[form]
    return form if parameters.get("g") == group and parameters.get("v") in versions else None
