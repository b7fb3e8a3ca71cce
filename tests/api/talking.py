"""Talking to a gateway: requests as somebody, and what is expected of answers."""

import json
from typing import Any, Self

import httpx

VERSION = "/apis/tensorstack.dev/v1beta1"
PROJECT = "/apis/vmflow.dev/v1alpha1"
Json = dict[str, Any]


class Talker:
    """Somebody with a token."""

    def __init__(self, transport: httpx.AsyncBaseTransport, token: str, name: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.name = name
        self.http = httpx.AsyncClient(transport=transport, base_url="https://gateway", headers=headers, timeout=60)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *trouble: object) -> None:
        await self.http.aclose()

    async def get(self, path: str, accept: str = "application/json", **query: Any) -> Json:
        answer = await self.http.get(path, params=query, headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    async def create(self, path: str, document: Json, **query: Any) -> Json:
        answer = await self.http.post(path, json=document, params=query)
        assert answer.status_code == 201, answer.text
        body: Json = answer.json()
        return body

    async def watch(self, path: str, **query: Any) -> list[Json]:
        """Return the events of a watch when it has ended by its timeoutSeconds."""
        answer = await self.http.get(path, params={"watch": "true", "timeoutSeconds": "1", **query})
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    async def refusal(self, method: str, path: str, code: int, **request: Any) -> Json:
        """Return the Status of a request that is refused with a code."""
        return refused(await self.http.request(method, path, **request), code)


def refused(answer: httpx.Response, code: int) -> Json:
    """Return the Status an answer is."""
    assert answer.headers["content-type"] == "application/json", answer.text
    status: Json = answer.json()
    assert answer.status_code == code, status
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert status["code"] == code
    assert status["reason"]
    assert status["message"]
    return status


def machine(name: str = "web", **spec: Any) -> Json:
    """Return a VM nobody places: no hypervisor of its zone exists."""
    return {
        "apiVersion": "tensorstack.dev/v1beta1",
        "kind": "VirtualServer",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "nowhere"}},
        "spec": {
            "resources": {"cpu": {"cores": "1"}, "memory": "256Mi"},
            "storage": {"root": {"pvc": {"size": "4Gi"}, "source": {"http": {"url": "http://127.0.0.1/disk.qcow2"}}}},
            **spec,
        },
    }


def config_map(name: str = "settings", data: dict[str, str] | None = None, **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": {"a": "1"} if data is None else data,
    }


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def machines(namespace: str, name: str = "", part: str = "") -> str:
    return f"{VERSION}/namespaces/{namespace}/virtualservers" + "".join(f"/{each}" for each in (name, part) if each)
