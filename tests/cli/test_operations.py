"""Operations and edits by the command line: what is accepted, what is refused with which code, and who asked."""

from typing import Any

import pytest
import yaml

from runtime.objects import Document
from tests.cli.saying import WAYS, is_about, is_one_line, me
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer

pytestmark = [pytest.mark.xdist_group("commands"), pytest.mark.parametrize("way", WAYS)]


def changed(web: Tenant, images: ImageServer, **spec: Any) -> Document:
    """Return the manifest of the VM that runs, with parts of its spec replaced."""
    return web.vm(images.url + "/disk.qcow2", **spec)


def condition(status: dict[str, Any], kind: str) -> str:
    """Return what a condition says; empty without it."""
    return next((str(each["status"]) for each in status["conditions"] if each["type"] == kind), "")


@pytest.mark.parametrize(
    ("command", "word"),
    [("pause", "Paused"), ("pause unpause", "Running"), ("soft-reboot", "Running"), ("reset", "Running")],
)
async def test_a_live_operation_leaves_strategy_and_incarnation_alone(web: Tenant, command: str, word: str) -> None:
    before = (await web.status())["vm"]["incarnation"]
    for each in command.split():
        said = await web.vmflow(each, "web")
        assert (said.code, said.out) == (0, f"virtualserver/web {each} accepted; run strategy Always\n"), said
    asked = command.rsplit(maxsplit=1)[-1].replace("-", "")
    status = await web.until(
        lambda status: status.get("lastOperation", {}).get("operation") == asked and status["printableStatus"] == word,
        f"the VM is {word} after {command}",
    )
    assert condition(status, "Paused") == ("True" if word == "Paused" else "False")
    assert (status["vm"]["incarnation"], status["exits"]) == (before, 0)


async def test_who_asked_last_is_told(web: Tenant) -> None:
    assert (await web.vmflow("pause", "web")).code == 0
    asked = (await web.until(lambda status: "lastOperation" in status, "the operation shows"))["lastOperation"]
    assert (asked["operation"], asked["by"]) == ("pause", me(web))
    assert f"asked last:      pause by {me(web)} at {asked['at']}" in (await web.vmflow("why", "web")).out
    assert f"pause by {me(web)} (request " in (await web.vmflow("events", "web")).out
    assert f"pause by {me(web)}" in (await web.vmflow("get", "vs/web", "-o", "wide")).out


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("start", "start does not apply while the run strategy is Always; possible now: stop, restart"),
        ("unpause", "unpause needs a paused guest, and the guest is not paused"),
    ],
)
async def test_an_operation_that_does_not_apply_is_a_conflict_with_the_reason(
    web: Tenant, command: str, says: str
) -> None:
    said = await web.vmflow(command, "vs/web")
    assert is_one_line(said, "Conflict"), said
    assert is_about(said, "Conflict", "409", "virtualserver", "web", says)
    assert "lastOperation" not in await web.status(), "a refused operation leaves no trace"


async def test_a_repeated_request_is_accepted_again_and_done_once(web: Tenant) -> None:
    for _ in range(2):
        assert (await web.vmflow("restart", "web", "--request-id", "once")).code == 0
    await web.until(lambda status: status["exits"] == 1 and status["printableStatus"] == "Running", "it has restarted")
    assert (await web.vmflow("restart", "web", "--request-id", "once")).code == 0
    assert (await web.status())["exits"] == 1


async def test_applying_the_same_again_changes_nothing(web: Tenant, images: ImageServer) -> None:
    said = await web.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(changed(web, images)))
    assert (said.code, said.out) == (0, "virtualserver/web unchanged\n")
    assert (await web.status())["observedGeneration"] == 1


async def test_the_namespace_that_is_always_there_is_not_deleted(simulated: Tenant) -> None:
    said = await simulated.vmflow("delete", "ns", "default")
    assert is_one_line(said, "Forbidden"), said
    assert said.err.endswith("default: the namespace 'default' is never deleted\n")


async def test_what_teams_declare_is_created_once_and_configured_when_it_differs(web: Tenant) -> None:
    head = {"metadata": {"name": "settings", "namespace": web.namespace}, "apiVersion": "v1"}
    declared: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("ConfigMap", {"data": {"a": "1"}}, "created"),
        ("ConfigMap", {"data": {"a": "2"}}, "configured"),
        ("Secret", {"data": {"password": "aHVudGVyMg=="}}, "created"),
        ("Secret", {"stringData": {"password": "hunter3"}}, "configured"),
    )
    for kind, body, word in declared:
        for told in (word, "unchanged"):
            said = await web.vmflow("apply", "-f", "-", stdin=yaml.safe_dump({**head, "kind": kind, **body}))
            assert (said.code, said.out) == (0, f"{kind.lower()}/settings {told}\n"), said
    for kind in ("cm", "secret"):
        assert (await web.vmflow("delete", kind, "settings")).code == 0


async def test_an_edit_is_a_new_generation_and_reaches_a_running_guest_as_far_as_it_can(
    web: Tenant, images: ImageServer
) -> None:
    manifest = changed(web, images, network={"tcp": [80]}, resources={"cpu": {"cores": "2"}, "memory": "128Mi"})
    said = await web.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert (said.code, said.out) == (0, "virtualserver/web configured\n"), said
    status = await web.until(lambda status: condition(status, "RestartRequired") == "True", "the CPUs need a restart")
    assert (status["observedGeneration"], status["resources"]["cpus"]) == (2, 1)
    assert "1 CPUs, 128 MiB of memory, a disk of 1 GiB" in (await web.vmflow("why", "web")).out

    assert (await web.vmflow("restart", "web")).code == 0
    status = await web.until(
        lambda status: status["exits"] == 1 and status["printableStatus"] == "Running", "it has restarted"
    )
    assert (condition(status, "RestartRequired"), status["resources"]["cpus"]) == ("", 2)


async def test_an_edit_of_labels_alone_is_no_new_generation(web: Tenant, images: ImageServer) -> None:
    manifest = changed(web, images)
    manifest["metadata"]["labels"] = {"team": "blue"}
    for word in ("configured", "unchanged"):
        said = await web.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
        assert said.out == f"virtualserver/web {word}\n", said
        await web.until(lambda status: status["observedGeneration"] == 1, "it is as it was")
    assert "team: blue" in (await web.vmflow("get", "vs/web", "-o", "yaml")).out


async def test_an_edit_of_what_a_vm_keeps_for_life_is_refused_by_its_field_and_others_are_applied(
    web: Tenant, images: ImageServer
) -> None:
    bad, good = changed(web, images, runStrategy="Halted"), changed(web, images, runStrategy="Halted")
    good["metadata"]["name"] = "other"
    said = await web.vmflow("apply", "-f", "-", stdin=yaml.safe_dump_all([bad, good]))
    assert (said.code, said.out) == (1, "virtualserver/other created\n")
    assert is_about(said, "InvalidManifest", "web", "spec.runStrategy", "immutable: use start and stop")


async def test_an_object_of_another_kind_is_not_edited(web: Tenant) -> None:
    zone = {"apiVersion": "vmflow.dev/v1alpha1", "kind": "Zone", "metadata": {"name": "local", "labels": {"a": "b"}}}
    said = await web.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(zone))
    assert is_one_line(said, "Conflict"), said
    assert "local" in said.err
    assert "is there already, declared otherwise, and a Zone is not edited" in said.err


async def test_a_grace_that_is_asked_for_is_what_the_guest_gets(web: Tenant) -> None:
    assert (await web.vmflow("stop", "web", "--grace-period", "7")).code == 0
    await web.until_status("Stopped")
    assert "end the incarnation, with 7 s of grace" in (await web.vmflow("events", "web")).out
