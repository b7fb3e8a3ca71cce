"""A stock kubectl: what people type every day, on a stack with simulated guests."""

import asyncio
import json
import re

import pytest
import yaml

from tests.e2e.kubectl import Kubectl, config_map
from tests.e2e.stacks import eventually, vmflow

pytestmark = pytest.mark.xdist_group("kubectl")


async def test_apply_get_and_delete_tell_a_vms_life(kubectl: Kubectl) -> None:
    assert await kubectl.apply(kubectl.vm()) == "virtualserver.tensorstack.dev/web created\n"
    assert await kubectl("wait", "vs/web", "--for=condition=Ready", "--timeout=60s") == (
        "virtualserver.tensorstack.dev/web condition met\n"
    )
    header, row = (await kubectl("get", "vs")).splitlines()
    assert header.split() == ["NAME", "STATUS", "READY", "HYPERVISOR", "IP", "AGE"]
    assert row.split()[:4] == ["web", "Running", "True", "local"]
    assert await kubectl.apply(kubectl.vm()) == "virtualserver.tensorstack.dev/web unchanged\n"
    assert await kubectl("delete", "vs", "web", "--timeout=60s") == 'virtualserver.tensorstack.dev "web" deleted\n'
    said = await kubectl.said("get", "vs", "web")
    assert (said.code, said.err) == (
        1,
        'Error from server (NotFound): virtualservers.tensorstack.dev "web" not found\n',
    )


async def test_every_output_format_is_written(kubectl: Kubectl) -> None:
    await kubectl.ready()
    wide = (await kubectl("get", "vs", "-o", "wide")).splitlines()[0].split()
    assert {"RUNSTRATEGY", "ZONE", "REASON"} <= set(wide)
    assert (await kubectl.json("get", "vs", "web"))["status"]["printableStatus"] == "Running"
    assert yaml.safe_load(await kubectl("get", "vs", "web", "-o", "yaml"))["kind"] == "VirtualServer"
    assert await kubectl("get", "vs", "-o", "name") == "virtualserver.tensorstack.dev/web\n"
    assert await kubectl("get", "vs", "web", "-o", "jsonpath={.status.printableStatus}") == "Running"
    columns = await kubectl("get", "vs", "-o", "custom-columns=N:.metadata.name,S:.spec.runStrategy")
    assert columns.split() == ["N", "S", "web", "Always"]
    template = "{{range .items}}{{.metadata.name}};{{end}}"
    assert await kubectl("get", "vs", "-o", f"go-template={template}") == "web;"
    labels = await kubectl("get", "vs", "--show-labels", "--sort-by=.metadata.name", "-L", "tier")
    assert "TIER" in labels.splitlines()[0]


async def test_names_of_every_kind_are_known(kubectl: Kubectl) -> None:
    listed = await kubectl("api-resources", "--no-headers")
    kinds = {line.split()[-1] for line in listed.splitlines()}
    assert {"VirtualServer", "Image", "Hypervisor", "Zone", "Account", "Namespace", "ConfigMap", "Secret"} <= kinds
    assert {"Service", "ServiceAccount", "PersistentVolumeClaim", "ResourceQuota", "StorageClass", "Event"} <= kinds
    assert "tensorstack.dev/v1beta1" in (await kubectl("api-versions")).split()
    for word in ("vs", "vm", "vms", "virtualserver", "virtualservers.tensorstack.dev"):
        assert (await kubectl.said("get", word)).code == 0, word
    assert "local" in await kubectl("get", "hypervisors,zones", "-A")


async def test_a_watch_tells_of_changes_as_they_happen(kubectl: Kubectl) -> None:
    watching = asyncio.create_task(kubectl.said("get", "vs", "-w", "--request-timeout=25s"))
    await asyncio.sleep(0)
    await kubectl.ready()
    await kubectl("delete", "vs", "web", "--timeout=60s")
    said = await watching
    statuses = [line.split()[1] for line in said.out.splitlines()[1:]]
    assert "Running" in statuses, said
    assert statuses[-1] in {"Terminating", "Running"}, said


async def test_every_field_is_explained(kubectl: Kubectl) -> None:
    everything = await kubectl("explain", "virtualserver", "--recursive")
    for field in ("cloudInit", "runStrategy", "storageClassName", "maxMemory", "macAddress"):
        assert field in everything
    storage = await kubectl("explain", "virtualserver.spec.storage")
    assert "root" in storage
    assert "<RootDisk> -required-" in storage or "<Object> -required-" in storage
    for kind in (
        "namespace",
        "configmap",
        "secret",
        "hypervisor.spec",
        "zone",
        "image.spec.source",
        "event",
        "account",
    ):
        assert "DESCRIPTION" in await kubectl("explain", kind)


async def test_describe_shows_the_story(kubectl: Kubectl) -> None:
    await kubectl.ready()
    told = await kubectl("describe", "vs", "web")
    assert re.search(r"Printable Status:\s+Running", told)
    events = told.partition("Events:")[2]
    assert re.search(r"Normal\s+Requested\s+\S+\s+vmflow\s+declared", events)
    assert re.search(r"Normal\s+StepDone\s+\S+\s+vmflow\s+build and power on at local", events)


async def test_events_are_listed_and_selected(kubectl: Kubectl) -> None:
    await kubectl.ready()
    assert "virtualserver/web" in await kubectl("get", "events")
    assert "VirtualServer/web" in await kubectl("events", "--for", "vs/web")
    assert "VirtualServer/web" in await kubectl("events", "--types=Normal")
    other = await kubectl.said("events", "--for", "vs/other")
    assert "No events found" in other.err + other.out
    assert "Running" in await kubectl("get", "events.events.k8s.io", "-o", "yaml")
    name = (await kubectl("get", "events", "-o", "name")).split()[0]
    assert (await kubectl.json("get", name))["involvedObject"]["name"] == "web"


async def test_labels_and_annotations_are_set_and_taken_away(kubectl: Kubectl) -> None:
    await kubectl.apply(kubectl.vm())
    await kubectl("label", "vs", "web", "tier=front")
    assert await kubectl("get", "vs", "-l", "tier=front", "-o", "name")
    refused = await kubectl.said("label", "vs", "web", "tier=back")
    assert "already has a value" in refused.err
    await kubectl("label", "vs", "web", "tier-")
    assert not await kubectl("get", "vs", "-l", "tier=front", "-o", "name")
    await kubectl("annotate", "vs", "web", "note=hello", "--overwrite")
    assert (await kubectl.json("get", "vs", "web"))["metadata"]["annotations"]["note"] == "hello"


async def test_an_edit_is_an_editor_over_the_object(kubectl: Kubectl) -> None:
    await kubectl.ready()
    edited = await kubectl("edit", "vs", "web", KUBE_EDITOR="sed -i s/128Mi/192Mi/")
    assert edited == "virtualserver.tensorstack.dev/web edited\n"
    shown = await kubectl.json("get", "vs", "web")
    assert (shown["spec"]["resources"]["memory"], shown["metadata"]["generation"]) == ("192Mi", 2)
    unchanged = await kubectl.said("edit", "vs", "web", KUBE_EDITOR="true")
    assert "no changes made" in unchanged.out + unchanged.err


@pytest.mark.parametrize(
    ("how", "patch"),
    [
        ("merge", {"spec": {"resources": {"memory": "160Mi"}}}),
        ("json", [{"op": "replace", "path": "/spec/resources/memory", "value": "160Mi"}]),
    ],
)
async def test_a_vm_is_patched(kubectl: Kubectl, how: str, patch: object) -> None:
    await kubectl.apply(kubectl.vm())
    assert "patched" in await kubectl("patch", "vs", "web", f"--type={how}", "-p", json.dumps(patch))
    assert (await kubectl.json("get", "vs", "web"))["spec"]["resources"]["memory"] == "160Mi"


async def test_a_core_kind_is_patched_strategically(kubectl: Kubectl) -> None:
    await kubectl("create", "service", "clusterip", "web", "--tcp=80:8080")
    port = {"spec": {"ports": [{"port": 443, "protocol": "TCP", "name": "tls"}]}}
    await kubectl("patch", "service", "web", "-p", json.dumps(port))
    ports = [each["port"] for each in (await kubectl.json("get", "svc", "web"))["spec"]["ports"]]
    assert sorted(ports) == [80, 443]


async def test_a_diff_shows_what_an_apply_would_change(kubectl: Kubectl) -> None:
    await kubectl.apply(kubectl.vm())
    document = yaml.safe_dump(kubectl.vm(resources={"cpu": {"cores": "1"}, "memory": "160Mi"}))
    said = await kubectl.said("diff", "-f", "-", stdin=document)
    assert (said.code, "+    memory: 160Mi" in said.out) == (1, True), said
    same = await kubectl.said("diff", "-f", "-", stdin=yaml.safe_dump(kubectl.vm()))
    assert (same.code, same.out) == (0, "")


async def test_a_server_side_apply_keeps_the_book(kubectl: Kubectl) -> None:
    await kubectl.apply(kubectl.vm(), options=("--server-side", "--field-manager=team-a"))
    shown = await kubectl.json("get", "vs", "web", "--show-managed-fields")
    assert [each["manager"] for each in shown["metadata"]["managedFields"]] == ["team-a"]
    other = kubectl.vm(resources={"cpu": {"cores": "1"}, "memory": "160Mi"})
    words = ("apply", "--server-side", "--field-manager=team-b", "-f", "-")
    said = await kubectl.said(*words, stdin=yaml.safe_dump(other))
    assert said.code == 1
    assert 'conflict with "team-a"' in said.err
    await kubectl(*words, "--force-conflicts", stdin=yaml.safe_dump(other))
    assert (await kubectl.json("get", "vs", "web"))["spec"]["resources"]["memory"] == "160Mi"


async def test_a_dry_run_on_the_server_writes_nothing(kubectl: Kubectl) -> None:
    assert "created (server dry run)" in await kubectl.apply(kubectl.vm(), options=("--dry-run=server",))
    assert (await kubectl.said("get", "vs", "web")).code == 1
    bad = yaml.safe_dump(kubectl.vm(runStrategy="Sometimes"))
    said = await kubectl.said("apply", "--dry-run=server", "-f", "-", stdin=bad)
    assert "spec.runStrategy" in said.err


async def test_what_a_kind_does_not_have_is_refused_before_it_is_sent(kubectl: Kubectl) -> None:
    said = await kubectl.said("apply", "-f", "-", stdin=yaml.safe_dump(kubectl.vm(colour="blue")))
    assert (said.code, 'unknown field "spec.colour"' in said.err) == (1, True), said
    warned = await kubectl.said("apply", "--validate=warn", "-f", "-", stdin=yaml.safe_dump(kubectl.vm(colour="blue")))
    assert warned.code == 0
    assert 'Warning: unknown field "spec.colour"' in warned.err


async def test_a_replace_writes_the_whole_object(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=yaml.safe_dump(config_map(a="1", b="2")))
    await kubectl("replace", "-f", "-", stdin=yaml.safe_dump(config_map(a="3")))
    assert (await kubectl.json("get", "cm", "settings"))["data"] == {"a": "3"}
    forced = await kubectl("replace", "--force", "-f", "-", stdin=yaml.safe_dump(config_map(a="4")))
    assert "replaced" in forced
    again = await kubectl.said("create", "-f", "-", stdin=yaml.safe_dump(config_map()))
    assert "AlreadyExists" in again.err


async def test_a_kind_that_is_not_edited_is_applied_all_the_same(kubectl: Kubectl) -> None:
    zone = {"apiVersion": "vmflow.dev/v1alpha1", "kind": "Zone", "metadata": {"name": kubectl.namespace}}
    told = f"zone.vmflow.dev/{kubectl.namespace}"
    assert await kubectl.apply(zone) == f"{told} created\n"
    assert await kubectl.apply(zone) == f"{told} unchanged\n"
    assert "is not edited" in (await kubectl.said("label", "zone", kubectl.namespace, "tier=web")).err
    await kubectl("delete", "zone", kubectl.namespace, "--timeout=60s")


async def test_a_folder_is_created_and_deleted(kubectl: Kubectl) -> None:
    folder = kubectl.folder / "manifests"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all([config_map(name), kubectl.vm(name)]))
    created = await kubectl("create", "-f", str(folder))
    assert created.count("created") == 4
    await kubectl("delete", "-f", str(folder), "--timeout=60s")
    assert await kubectl("get", "vs,cm", "-o", "name") == ""


async def test_a_kustomization_is_applied(kubectl: Kubectl) -> None:
    folder = kubectl.folder / "kustom"
    folder.mkdir()
    (folder / "vm.yaml").write_text(yaml.safe_dump(kubectl.vm()))
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "resources": ["vm.yaml"],
                "namePrefix": "prod-",
                "labels": [{"pairs": {"stage": "prod"}}],
                "configMapGenerator": [{"name": "settings", "literals": ["a=1"]}],
            }
        )
    )
    created = await kubectl("apply", "-k", str(folder))
    assert "virtualserver.tensorstack.dev/prod-web created" in created
    assert await kubectl("get", "vs", "-l", "stage=prod", "-o", "name")
    await kubectl("delete", "-k", str(folder), "--timeout=60s")


async def test_a_wait_for_deletion_ends_with_it(kubectl: Kubectl) -> None:
    await kubectl.ready()
    waiting = asyncio.create_task(kubectl("wait", "vs/web", "--for=delete", "--timeout=60s"))
    await kubectl("delete", "vs", "web", "--wait=false")
    assert "condition met" in await waiting or not await kubectl("get", "vs", "-o", "name")


async def test_a_wait_for_a_value_ends_with_it(kubectl: Kubectl) -> None:
    await kubectl.apply(kubectl.vm())
    await kubectl("wait", "vs/web", "--for=jsonpath={.status.printableStatus}=Running", "--timeout=60s")


async def test_who_may_what_is_told(kubectl: Kubectl) -> None:
    assert await kubectl("auth", "can-i", "create", "vs") == "yes\n"
    assert "virtualservers.tensorstack.dev" in await kubectl("auth", "can-i", "--list")
    assert "admin" in await kubectl("auth", "whoami")


async def test_core_kinds_are_created_from_the_command_line(kubectl: Kubectl) -> None:
    """Go clients send these as protobuf."""
    await kubectl("create", "configmap", "c", "--from-literal=a=1")
    await kubectl("create", "secret", "generic", "s", "--from-literal=password=hunter2")
    await kubectl("create", "serviceaccount", "sa")
    await kubectl("create", "quota", "q", "--hard=requests.memory=1Gi")
    assert (await kubectl.json("get", "cm", "c"))["data"] == {"a": "1"}
    assert (await kubectl.json("get", "secret", "s"))["data"] == {"password": "aHVudGVyMg=="}
    assert (await kubectl.json("get", "quota", "q"))["spec"]["hard"] == {"requests.memory": "1Gi"}
    listed = await kubectl("get", "cm,secret,sa,quota", "-o", "name")
    assert listed.split() == ["configmap/c", "secret/s", "serviceaccount/sa", "resourcequota/q"]


async def test_what_means_nothing_here_is_refused_and_says_so(kubectl: Kubectl) -> None:
    await kubectl.apply(kubectl.vm())
    for words in (("scale", "vs/web", "--replicas=2"), ("rollout", "status", "vs/web"), ("logs", "web")):
        said = await kubectl.said(*words)
        assert said.code == 1, words
        assert said.err.strip(), words


async def test_a_list_of_many_comes_in_parts(kubectl: Kubectl) -> None:
    documents = [config_map(f"m{number}") for number in range(7)]
    await kubectl.apply(*documents)
    names = (await kubectl("get", "cm", "--chunk-size=2", "-o", "name")).split()
    assert names == [f"configmap/m{number}" for number in range(7)]


async def test_everything_selected_is_deleted(kubectl: Kubectl) -> None:
    await kubectl.apply(config_map("a"), config_map("b"))
    await kubectl("label", "cm", "a", "tier=front")
    await kubectl("delete", "cm", "-l", "tier=front")
    assert await kubectl("get", "cm", "-o", "name") == "configmap/b\n"
    await kubectl("delete", "cm", "--all")

    async def empty() -> bool:
        return await kubectl("get", "cm", "-o", "name") == ""

    await eventually(empty, "no config map is left")


async def test_the_command_line_writes_a_kubeconfig_that_works(kubectl: Kubectl) -> None:
    stack, file = kubectl.tenant.stack, kubectl.folder / "config"
    printed = await stack.vmflow("kubeconfig")
    assert yaml.safe_load(printed.out) == yaml.safe_load(kubectl.config.read_text())
    written = await stack.vmflow("kubeconfig", "--output", str(file))
    assert written.out == f"export KUBECONFIG={file}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert await kubectl("get", "ns", "default", "-o", "name", KUBECONFIG=str(file)) == "namespace/default\n"


async def test_an_account_may_what_its_role_says(kubectl: Kubectl) -> None:
    stack, file, name = kubectl.tenant.stack, kubectl.folder / "config", f"viewer-{kubectl.namespace}"
    made = await stack.vmflow("account", "create", name, "--role", "viewer", "--namespace", kubectl.namespace)
    variables = {"VMFLOW_TOKEN": made.out.strip()}
    said = await vmflow(stack.settings, "kubeconfig", "--account", name, "-o", str(file), **variables)
    assert said.code == 0, said
    assert made.out.strip() not in said.out
    await kubectl.apply(config_map())
    assert await kubectl("get", "cm", "-o", "name", KUBECONFIG=str(file)) == "configmap/settings\n"
    assert (await kubectl.said("auth", "can-i", "delete", "cm", KUBECONFIG=str(file))).out == "no\n"
    refused = await kubectl.said("delete", "cm", "settings", KUBECONFIG=str(file))
    assert f'User "{name}" cannot delete resource "configmaps"' in refused.err
    elsewhere = await kubectl.said("get", "cm", "-n", "default", KUBECONFIG=str(file))
    assert "Forbidden" in elsewhere.err
    await kubectl("delete", "account", name)
    assert "You must be logged in" in (await kubectl.said("get", "cm", KUBECONFIG=str(file))).err


async def test_a_killed_gateway_comes_back_and_nothing_is_lost(kubectl: Kubectl) -> None:
    await kubectl.apply(config_map())
    stack = kubectl.tenant.stack
    await stack.kill("gateway")
    assert "refused" in (await kubectl.said("get", "cm")).err
    await stack.up()
    assert await kubectl("get", "cm", "-o", "name") == "configmap/settings\n"
