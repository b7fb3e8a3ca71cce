"""The operations of a resource, as OpenAPI describes them: paths, methods, parameters, bodies and answers. Pure."""

from collections.abc import Iterable
from typing import Any

from api import meta
from api.media import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from api.resources import Resource, Subresource
from api.schemas import reference

Fragment = dict[str, Any]

_STRING: Fragment = {"type": "string"}
_BOOLEAN: Fragment = {"type": "boolean"}
_NUMBER: Fragment = {"type": "integer", "minimum": 0}

_QUERY: dict[str, tuple[Fragment, str]] = {
    "pretty": (_STRING, "Whether the answer is indented."),
    "dryRun": ({"type": "string", "enum": ["All"]}, "`All` asks for the answer without the deed."),
    "fieldManager": ({"type": "string", "maxLength": 128}, "Who writes, for the book of who owns which field."),
    "fieldValidation": (
        {"type": "string", "enum": ["Ignore", "Warn", "Strict"]},
        "What becomes of fields that the kind does not have or that are there twice.",
    ),
    "force": (_BOOLEAN, "Take fields over from other managers. Only for server-side apply."),
    "gracePeriodSeconds": (_NUMBER, "Seconds the object is given to go."),
    "propagationPolicy": (
        {"type": "string", "enum": ["Orphan", "Background", "Foreground"]},
        "What becomes of objects that belong to this one.",
    ),
    "labelSelector": (_STRING, "Only objects whose labels fit."),
    "fieldSelector": (_STRING, "Only objects whose fields fit."),
    "limit": (_NUMBER, "At most so many objects; the answer tells how to ask for the rest."),
    "continue": (_STRING, "The next part of a list that was asked for in parts."),
    "resourceVersion": (_STRING, "Not older than this; for a watch: from here on."),
    "resourceVersionMatch": ({"type": "string", "enum": ["Exact", "NotOlderThan"]}, "How resourceVersion is meant."),
    "watch": (_BOOLEAN, "Tell of changes instead of listing, as a stream of events."),
    "allowWatchBookmarks": (_BOOLEAN, "Whether a watch may tell now and then how far it is."),
    "sendInitialEvents": (_BOOLEAN, "Whether a watch begins with what there is."),
    "timeoutSeconds": (_NUMBER, "When a watch or list ends at the latest."),
}

_LISTING = (
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "watch",
    "allowWatchBookmarks",
    "sendInitialEvents",
    "timeoutSeconds",
)
_WRITING = ("dryRun", "fieldManager", "fieldValidation")
_DELETING = ("dryRun", "gracePeriodSeconds", "propagationPolicy")


def patch_types(resource: Resource) -> tuple[str, ...]:
    """Return the media types of the patches a resource takes; strategic merge is for Kubernetes' own kinds only."""
    strategic = (STRATEGIC_MERGE_PATCH,) if resource.core else ()
    return (JSON_PATCH, MERGE_PATCH, *strategic, APPLY_PATCH)


def paths_of(resource: Resource) -> Fragment:
    """Return every path of a resource."""
    several = f"{resource.root}/{resource.plural}"
    within = f"{resource.root}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else several
    paths = {
        several: _path(resource, (), _collection(resource, everywhere=resource.namespaced)),
        within: _path(resource, ("namespace",), _collection(resource, everywhere=False)),
        f"{within}/{{name}}": _path(resource, ("namespace", "name"), _single(resource)),
    }
    for part in resource.subresources:
        paths[f"{within}/{{name}}/{part.name}"] = _path(resource, ("namespace", "name"), _part(resource, part))
    return {path: item for path, item in paths.items() if set(item) != {"parameters"}}


def _path(resource: Resource, places: Iterable[str], operations: Fragment) -> Fragment:
    told = {"namespace": "The namespace of the objects.", "name": f"The name of the {resource.kind}."}
    wanted = [place for place in places if place == "name" or resource.namespaced]
    parameters = [
        {"name": place, "in": "path", "required": True, "description": told[place], "schema": _STRING}
        for place in wanted
    ]
    return {"parameters": [*parameters, _parameter("pretty")], **operations}


def _parameter(name: str) -> Fragment:
    schema, description = _QUERY[name]
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _collection(resource: Resource, *, everywhere: bool) -> Fragment:
    """Return the operations on many objects; everywhere: across namespaces, where one can only look."""
    one, many = resource.component, f"{resource.component}List"
    suffix = "ForAllNamespaces" if everywhere else ""
    found: Fragment = {}
    if "list" in resource.verbs:
        found["get"] = _operation(resource, "list", f"List {resource.plural}.", _LISTING, ok=many, suffix=suffix)
    if "create" in resource.verbs and not everywhere:
        found["post"] = _operation(
            resource, "post", f"Create a {resource.kind}.", _WRITING, ok=one, code="201", body=one
        )
    if "deletecollection" in resource.verbs and not everywhere:
        found["delete"] = _operation(
            resource,
            "deletecollection",
            f"Delete {resource.plural}.",
            (*_LISTING[:4], *_DELETING),
            ok=f"{meta.PACKAGE}.Status",
            body=f"{meta.PACKAGE}.DeleteOptions",
        )
    return found


def _single(resource: Resource) -> Fragment:
    """Return the operations on one object."""
    one, found = resource.component, {}
    if "get" in resource.verbs:
        found["get"] = _operation(resource, "get", f"Read a {resource.kind}.", (), ok=one)
    if "update" in resource.verbs:
        found["put"] = _operation(resource, "put", f"Replace a {resource.kind}.", _WRITING, ok=one, body=one)
    if "patch" in resource.verbs:
        found["patch"] = _operation(resource, "patch", f"Change a {resource.kind}.", (*_WRITING, "force"), ok=one)
        patch = {"schema": reference(f"{meta.PACKAGE}.Patch")}
        found["patch"]["requestBody"] = {"required": True, "content": dict.fromkeys(patch_types(resource), patch)}
    if "delete" in resource.verbs:
        found["delete"] = _operation(
            resource,
            "delete",
            f"Delete a {resource.kind}.",
            _DELETING,
            ok=f"{meta.PACKAGE}.Status",
            body=f"{meta.PACKAGE}.DeleteOptions",
        )
    return found


def _part(resource: Resource, part: Subresource) -> Fragment:
    """Return the operations on a part of an object."""
    methods = {"get": "get", "create": "post", "update": "put", "patch": "patch"}
    status = part.name == "status"
    found = {}
    for verb in part.verbs:
        action = "get" if status else "connect"
        ok = resource.component if status else f"{meta.PACKAGE}.Status"
        suffix = part.name.capitalize() + ("" if status else methods[verb].capitalize())
        found[methods[verb]] = _operation(resource, action, part.description, (), ok=ok, suffix=suffix)
        if part.options:
            body = {"schema": {"type": "object", "properties": part.options}}
            found[methods[verb]]["requestBody"] = {"required": False, "content": {JSON: body}}
    return found


def _operation(  # noqa: PLR0913 - each argument is one of an operation's own fields
    resource: Resource,
    action: str,
    description: str,
    parameters: Iterable[str],
    *,
    ok: str,
    code: str = "200",
    body: str = "",
    suffix: str = "",
) -> Fragment:
    scope = "Namespaced" if resource.namespaced and suffix != "ForAllNamespaces" else ""
    package = "".join(part.capitalize() for part in resource.api_version.replace("/", ".").split("."))
    operation: Fragment = {
        "operationId": f"{action}{package}{scope}{resource.kind}{suffix}",
        "description": description,
        "tags": [resource.api_version.replace("/", "_").replace(".", "_")],
        "parameters": [_parameter(name) for name in parameters],
        "responses": {
            code: {"description": "Done.", "content": {JSON: {"schema": reference(ok)}}},
            "default": {
                "description": "Refused; the answer says why.",
                "content": {JSON: {"schema": reference(f"{meta.PACKAGE}.Status")}},
            },
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": resource.group_version_kind,
    }
    if body:
        required = not body.startswith(meta.PACKAGE)
        operation["requestBody"] = {"required": required, "content": {JSON: {"schema": reference(body)}}}
    return operation
