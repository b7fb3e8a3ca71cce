"""Clients other than kubectl: Kubernetes' Python library, curl, and programs that watch all kinds, as k9s does."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client as kubernetes
from kubernetes import config, dynamic, watch
from kubernetes.client.exceptions import ApiException

from runtime import kubeconfig
from tests.e2e.kubectl import Kubectl, config_map

pytestmark = pytest.mark.xdist_group("kubectl")

KINDS = ["vs", "images", "hypervisors", "zones", "cm", "secrets", "svc", "sa", "pvc", "quota", "sc", "ns", "events"]


@pytest.fixture
def api(kubectl: Kubectl) -> Iterator[Any]:
    """Kubernetes' own client library, with the kubeconfig of this stack."""
    configured: Any = config.new_client_from_config
    with configured(config_file=str(kubectl.config)) as found:
        yield found


async def test_typed_clients_work_with_core_kinds(kubectl: Kubectl, api: Any) -> None:
    def use() -> None:
        core: Any = kubernetes.CoreV1Api(api)
        made = core.create_namespaced_config_map(
            kubectl.namespace,
            kubernetes.V1ConfigMap(metadata=kubernetes.V1ObjectMeta(name="c", labels={"a": "b"}), data={"x": "1"}),
        )
        assert made.metadata.uid
        made.data["x"] = "2"
        replaced = core.replace_namespaced_config_map("c", kubectl.namespace, made)
        assert replaced.data == {"x": "2"}
        with pytest.raises(ApiException) as stale:
            core.replace_namespaced_config_map("c", kubectl.namespace, made)
        assert stale.value.status == 409
        core.patch_namespaced_config_map("c", kubectl.namespace, {"data": {"y": "3"}})
        listed = core.list_namespaced_config_map(kubectl.namespace, label_selector="a=b")
        assert [each.data for each in listed.items] == [{"x": "2", "y": "3"}]
        secret = core.create_namespaced_secret(
            kubectl.namespace, kubernetes.V1Secret(metadata={"name": "s"}, string_data={"p": "hunter2"})
        )
        assert secret.data == {"p": "aHVudGVyMg=="}
        core.delete_namespaced_config_map("c", kubectl.namespace)
        assert core.read_namespace(kubectl.namespace).status.phase == "Active"
        with pytest.raises(ApiException) as missing:
            core.read_namespaced_config_map("c", kubectl.namespace)
        assert json.loads(str(missing.value.body))["reason"] == "NotFound"

    await asyncio.to_thread(use)


async def test_the_dynamic_client_finds_and_uses_every_kind(kubectl: Kubectl, api: Any) -> None:
    def use() -> None:
        client: Any = dynamic.DynamicClient
        found = client(api)
        machines = found.resources.get(api_version="tensorstack.dev/v1beta1", kind="VirtualServer")
        made = machines.create(body=kubectl.vm(), namespace=kubectl.namespace)
        assert made.metadata.uid
        assert [each.metadata.name for each in machines.get(namespace=kubectl.namespace).items] == ["web"]
        patch = {"metadata": {"labels": {"tier": "front"}}}
        merge = "application/merge-patch+json"
        machines.patch(body=patch, name="web", namespace=kubectl.namespace, content_type=merge)
        selected = machines.get(namespace=kubectl.namespace, label_selector="tier=front")
        assert len(selected.items) == 1
        applied = {**kubectl.vm(), "metadata": {"name": "web", "labels": {"team": "a"}}}
        machines.server_side_apply(
            body=applied, name="web", namespace=kubectl.namespace, field_manager="python", force_conflicts=True
        )
        assert machines.get(name="web", namespace=kubectl.namespace).metadata.labels.team == "a"
        machines.delete(name="web", namespace=kubectl.namespace)

    await asyncio.to_thread(use)


async def test_a_library_watch_sees_what_kubectl_does(kubectl: Kubectl, api: Any) -> None:
    listing: Any = await asyncio.to_thread(kubernetes.CoreV1Api(api).list_namespaced_config_map, kubectl.namespace)

    def use() -> list[tuple[str, str]]:
        watching: Any = watch.Watch
        stream = watching().stream(
            kubernetes.CoreV1Api(api).list_namespaced_config_map,
            kubectl.namespace,
            resource_version=listing.metadata.resource_version,
            timeout_seconds=10,
        )
        return [(event["type"], event["object"].metadata.name) for event in stream]

    watching = asyncio.create_task(asyncio.to_thread(use))
    await kubectl.apply(config_map("seen"))
    await kubectl("delete", "cm", "seen")
    events = await watching
    assert (events[0], events[-1]) == (("ADDED", "seen"), ("DELETED", "seen"))


async def test_a_program_that_watches_everything_at_once_is_served(kubectl: Kubectl) -> None:
    watches = [
        asyncio.create_task(kubectl.said("get", kind, "-A", "-w", "-o", "name", "--request-timeout=10s"))
        for kind in KINDS
    ]
    await kubectl.ready()
    seen = dict(zip(KINDS, await asyncio.gather(*watches), strict=True))
    assert "virtualserver.tensorstack.dev/web" in seen["vs"].out
    assert "hypervisor.vmflow.dev/local" in seen["hypervisors"].out
    assert f"namespace/{kubectl.namespace}" in seen["ns"].out
    assert "event/web." in seen["events"].out


async def test_curl_needs_a_token_and_the_authority_and_nothing_else(kubectl: Kubectl) -> None:
    settings = kubectl.tenant.stack.settings
    (user,) = yaml.safe_load(kubectl.config.read_text())["users"]
    url = f"{settings.gateway_url}/api/v1/namespaces/{kubectl.namespace}/configmaps"
    words = ["curl", "--silent", "--cacert", str(kubeconfig.authority(settings)), "--write-out", "\n%{http_code}"]

    async def curl(*more: str) -> tuple[str, Any]:
        said = await asyncio.to_thread(subprocess.run, [*words, *more], capture_output=True, text=True, check=True)
        body, _, code = said.stdout.rpartition("\n")
        return code, json.loads(body)

    assert (await curl(url))[0] == "401"
    token = ("--header", f"Authorization: Bearer {user['user']['token']}")
    created = await curl(*token, "--json", json.dumps(config_map("c")), url)
    assert created[0] == "201"
    assert (await curl(*token, url))[1]["items"][0]["data"] == {"a": "1"}
    untrusted = await asyncio.to_thread(subprocess.run, ["curl", "--silent", url], capture_output=True, check=False)
    assert untrusted.returncode == 60  # the certificate is of an authority nobody named
