"""What the gateway says about itself, as clients ask for it."""

import pytest

from tests.api.talking import Talker

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


async def test_health_is_plain_text(admin: Talker) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        answer = await admin.http.get(path)
        assert (answer.status_code, answer.text) == (200, "ok")


async def test_the_version_is_one_of_kubernetes(admin: Talker) -> None:
    version = await admin.get("/version")
    assert (version["major"], version["minor"]) == ("1", "32")
    assert "vmflow" in version["gitVersion"]


async def test_discovery_leads_to_every_kind(admin: Talker) -> None:
    assert (await admin.get("/api"))["versions"] == ["v1"]
    groups = {group["name"]: group for group in (await admin.get("/apis"))["groups"]}
    assert {"tensorstack.dev", "vmflow.dev", "storage.k8s.io", "events.k8s.io", "authorization.k8s.io"} <= set(groups)
    kinds = {each["kind"] for each in (await admin.get("/api/v1"))["resources"]}
    for name, group in groups.items():
        assert (await admin.get(f"/apis/{name}"))["name"] == name
        listed = await admin.get(f"/apis/{group['preferredVersion']['groupVersion']}")
        kinds |= {each["kind"] for each in listed["resources"]}
    assert {"VirtualServer", "Hypervisor", "ConfigMap", "Event", "StorageClass", "Account"} <= kinds


async def test_everything_can_be_discovered_at_once(admin: Talker) -> None:
    found = set()
    for path in ("/api", "/apis"):
        answer = await admin.http.get(path, headers={"Accept": AGGREGATED})
        assert answer.headers["content-type"] == AGGREGATED
        for item in answer.json()["items"]:
            for version in item["versions"]:
                found |= {each["resource"] for each in version["resources"]}
    assert {"virtualservers", "configmaps", "events", "selfsubjectaccessreviews"} <= found


async def test_every_openapi_document_is_where_the_index_says(admin: Talker) -> None:
    index = await admin.get("/openapi/v3")
    assert "apis/tensorstack.dev/v1beta1" in index["paths"]
    for where in index["paths"].values():
        answer = await admin.http.get(where["serverRelativeURL"])
        assert answer.json()["openapi"].startswith("3.")
        assert "immutable" in answer.headers["cache-control"]
        again = await admin.http.get(where["serverRelativeURL"], headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/apis/no.such.group", "/apis/vmflow.dev/v9", "/api/v2", "/openapi/v3/apis/no/v1"])
async def test_what_is_not_there_is_not_described(admin: Talker, path: str) -> None:
    await admin.refusal("GET", path, 404)
