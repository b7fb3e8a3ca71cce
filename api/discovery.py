"""Discovery: which groups, versions and resources there are. Pure; every document is made from the resources.

    version_document("0.1.0")              /version
    core_versions(host)                    /api
    group_list(resources)                  /apis
    group_document("vmflow.dev", resources)  /apis/vmflow.dev; None where there is none
    resource_list("v1", resources)         /api/v1, /apis/<group>/<version>; None where there is none
    aggregated(resources, core=True)       /api, and with core=False /apis, for clients that ask for all at once

Sources: Kubernetes' API concepts (discovery), `meta/v1` and `apidiscovery.k8s.io/v2`.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from api.resources import Resource, Subresource, api_versions

Document = dict[str, Any]

KUBERNETES = ("1", "32")
"""The version of Kubernetes whose API this is: clients decide by it what they may use."""


def version_document(vmflow: str) -> Document:
    """Return what /version answers; the project's version is build metadata of Kubernetes'."""
    major, minor = KUBERNETES
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.0+vmflow.{vmflow}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }


def core_versions(host: str) -> Document:
    """Return what /api answers; host: `address:port` a client may call."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
    }


def group_list(resources: Sequence[Resource]) -> Document:
    """Return what /apis answers: every group but the core one."""
    groups = dict.fromkeys(each.group for each in resources if each.group)
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name, resources) for name in groups]}


def group_document(group: str, resources: Sequence[Resource]) -> Document | None:
    """Return what /apis/<group> answers, or None."""
    if not group or all(each.group != group for each in resources):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, resources)}


def resource_list(api_version: str, resources: Sequence[Resource]) -> Document | None:
    """Return the resources of a group and version, each followed by its subresources, or None."""
    rows = [row for each in resources if each.api_version == api_version for row in _rows(each)]
    if not rows:
        return None
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": rows}


def aggregated(resources: Sequence[Resource], *, core: bool) -> Document:
    """Return everything in one document: the core group for /api, the others for /apis."""
    groups = dict.fromkeys(each.group for each in resources if core is (each.group == ""))
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [
                {
                    "version": version,
                    "resources": [
                        _discovered(each) for each in resources if (each.group, each.version) == (group, version)
                    ],
                    "freshness": "Current",
                }
                for version in _versions(group, resources)
            ],
        }
        for group in groups
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _versions(group: str, resources: Sequence[Resource]) -> list[str]:
    return list(dict.fromkeys(each.version for each in resources if each.group == group))


def _group(group: str, resources: Sequence[Resource]) -> Document:
    versions = [
        {"groupVersion": each, "version": each.rpartition("/")[2]}
        for each in api_versions(resources)
        if each.rpartition("/")[0] == group
    ]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _rows(resource: Resource) -> list[Document]:
    row: Document = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        "storageVersionHash": hashlib.sha256(resource.component.encode()).hexdigest()[:12],
    }
    _words(row, resource)
    parts = [
        {
            "name": f"{resource.plural}/{part.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(part.verbs),
        }
        for part in resource.subresources
    ]
    return [row, *parts]


def _discovered(resource: Resource) -> Document:
    row: Document = {
        "resource": resource.plural,
        "responseKind": resource.group_version_kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    _words(row, resource)
    if resource.subresources:
        row["subresources"] = [_discovered_part(resource, part) for part in resource.subresources]
    return row


def _discovered_part(resource: Resource, part: Subresource) -> Document:
    return {
        "subresource": part.name,
        "responseKind": resource.group_version_kind,
        "verbs": list(part.verbs),
    }


def _words(row: Document, resource: Resource) -> None:
    """Add the other words people may type."""
    if resource.short:
        row["shortNames"] = list(resource.short)
    if resource.categories:
        row["categories"] = list(resource.categories)
