"""Resources and objects to begin a test with."""

from typing import Any

from api.resources import RESOURCES, Resource

Document = dict[str, Any]


def resource(kind: str) -> Resource:
    """Return the resource of a kind."""
    return next(each for each in RESOURCES if each.kind == kind)


def virtual_server(**spec: Any) -> Document:
    """Return the least a VM can be, and more of its spec."""
    source = {"http": {"url": "https://images.example/debian.qcow2"}}
    return {
        "apiVersion": "tensorstack.dev/v1beta1",
        "kind": "VirtualServer",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "resources": {"memory": "1Gi"},
            "storage": {"root": {"pvc": {"size": "4Gi"}, "source": source}},
            **spec,
        },
    }


def service(*ports: Document, **metadata: Any) -> Document:
    """Return a Service with these ports."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default", **metadata},
        "spec": {"ports": list(ports)},
    }


def config_map(data: dict[str, str], **metadata: Any) -> Document:
    """Return a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "default", **metadata},
        "data": data,
    }
