"""Commands on a running stack: what is asked, what is answered, and with which exit code."""

import asyncio
import json
import time
from pathlib import Path

import pytest
import yaml

from runtime.services import IMAGES, images_process
from tests.cli.saying import TEMPORAL, WAYS, completed, is_about, is_one_line, me
from tests.e2e.stacks import WORKERS
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer
from tests.temporal_server import free_port

pytestmark = pytest.mark.xdist_group("commands")

both_ways = pytest.mark.parametrize("way", WAYS)


@both_ways
async def test_an_object_is_asked_for_in_either_of_kubectls_ways(web: Tenant) -> None:
    for words in (["vs", "web"], ["vs/web"]):
        assert (await web.vmflow("get", *words)).out.splitlines()[1].split()[:3] == ["web", "Running", "True"]
    assert (await web.vmflow("get", "VirtualServer/web", "-o", "name")).out == "virtualserver/web\n"
    documents = json.loads((await web.vmflow("get", "vs/web", "zones/local", "-o", "json")).out)
    assert [each["kind"] for each in documents["items"]] == ["VirtualServer", "Zone"]
    tables = (await web.vmflow("get", "vs/web", "zones/local")).out.split("\n\n")
    assert [table.split()[0] for table in tables] == ["NAME", "NAME"]


@both_ways
async def test_an_empty_list_is_told_on_standard_error(simulated: Tenant) -> None:
    said = await simulated.vmflow("get", "vs")
    assert (said.code, said.out) == (0, "")
    assert said.err == f"No virtualservers found in namespace {simulated.namespace}.\n"


@both_ways
async def test_what_is_not_there_is_not_found(simulated: Tenant) -> None:
    for command in (["describe", "vs", "nope"], ["why", "nope"], ["stop", "nope"], ["wait", "nope"]):
        said = await simulated.vmflow(*command)
        assert is_one_line(said, "NotFound"), said


@both_ways
async def test_a_wait_ends_when_it_is_there(web: Tenant) -> None:
    assert (await web.vmflow("stop", "virtualserver/web")).code == 0
    said = await web.vmflow("wait", "vs/web", "--for=Stopped", "--timeout=30")
    assert (said.code, said.out.splitlines()[-1]) == (0, "virtualserver/web Stopped")
    assert (await web.vmflow("start", "web")).code == 0
    assert (await web.vmflow("wait", "web", "--for=condition=Ready", "--timeout=30")).code == 0


@both_ways
async def test_a_wait_that_takes_too_long_says_where_to_look(web: Tenant) -> None:
    began = time.monotonic()
    said = await web.vmflow("wait", "web", "--for=Stopped", "--timeout=1")
    assert 1 <= time.monotonic() - began < 15
    assert said.code == 1
    assert (
        said.err == "Error (Timeout): virtualserver/web: not there after 1 s; `vmflow why web` says what it waits for\n"
    )


@both_ways
async def test_a_wait_for_the_end_ends_with_it(web: Tenant) -> None:
    waiting = asyncio.create_task(web.vmflow("wait", "web", "--for=deleted", "--timeout=60"))
    said = await web.vmflow("delete", "vs/web", "--no-wait")
    assert (said.code, said.out) == (0, "virtualserver/web is being deleted\n")
    ended = await waiting
    assert (ended.code, ended.out) == (0, "virtualserver/web deleted\n")
    assert (await web.vmflow("wait", "web", "--for=delete")).code == 0


@both_ways
async def test_deleting_goes_on_past_what_is_gone_and_says_so(web: Tenant) -> None:
    said = await web.vmflow("delete", "vs", "nope", "web")
    assert (said.code, said.out) == (1, "virtualserver/web deleted\n")
    assert is_about(said, "NotFound", "virtualservers", "nope")
    assert (await web.vmflow("delete", "vs", "nope", "web", "--ignore-not-found")).code == 0


@both_ways
async def test_a_manifest_deletes_what_it_declared(web: Tenant, images: ImageServer) -> None:
    manifest = yaml.safe_dump(web.vm(images.url + "/disk.qcow2"))
    said = await web.vmflow("delete", "-f", "-", stdin=manifest)
    assert (said.code, said.out) == (0, "virtualserver/web deleted\n")


@both_ways
async def test_names_complete(web: Tenant) -> None:
    for words in ("vmflow stop w", "vmflow delete vms w"):
        assert "web" in (await completed(web.stack.settings, words, **web.variables)).out.split()


@both_ways
async def test_a_console_shows_its_end_and_needs_a_guest_that_is_somewhere(web: Tenant, way: str) -> None:
    whole = (await web.vmflow("console", "web", "--log")).out
    assert "Linux version" in whole
    assert (await web.vmflow("console", "web", "--log", "--limit", "20")).out.strip() in whole
    homeless = web.vm("http://127.0.0.1/disk", name="homeless")
    homeless["metadata"]["labels"] = {"topology.kubernetes.io/zone": "elsewhere"}
    await web.apply(homeless)
    await web.until_status("FailedUnschedulable", "homeless")
    said = await web.vmflow("console", "homeless", "--log")
    assert is_one_line(said, "NotPlaced" if way == TEMPORAL else "Conflict"), said
    assert "is not on a hypervisor yet, so it has no console" in said.err


@both_ways
async def test_the_story_tells_what_was_asked_done_and_came_of_it(web: Tenant) -> None:
    await web.vmflow("stop", "web", "--request-id", "before-backup")
    await web.until_status("Stopped")
    story = [line[21:].split(maxsplit=1) for line in (await web.vmflow("events", "web")).out.splitlines()]
    assert story[0] == ["asked", "declared"]
    assert ["done", "build and power on at local"] in story
    assert ["asked", f"stop by {me(web)} (request before-backup)"] in story
    assert story[-1] == ["status", "Stopped: the guest shut itself down"]


async def test_the_status_of_the_stack_tells_what_is_ready_and_the_demos_image_server(
    simulated: Tenant, tmp_path: Path
) -> None:
    processes, port = simulated.stack.processes, free_port()
    assert "images" not in (await simulated.stack.vmflow("status")).out
    await processes.ensure_started(images_process(tmp_path, port))
    try:
        said = await simulated.stack.vmflow("status")
        assert said.code == 0
        images = next(line.split() for line in said.out.splitlines() if line.startswith("images "))
        assert (images[1:3], images[-1]) == (["running", "True"], f"http://127.0.0.1:{port}")
    finally:
        await processes.ensure_stopped(IMAGES)
    await simulated.stack.kill("hypervisor")
    assert (await simulated.stack.vmflow("status")).code == 1, "a part is missing"


async def test_without_workers_vms_are_declared_shown_and_deleted_all_the_same(
    simulated: Tenant, images: ImageServer
) -> None:
    await simulated.stack.kill(*WORKERS)
    manifest = simulated.vm(images.url + "/disk.qcow2")
    assert (await simulated.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(manifest))).code == 0
    simulated.expect(manifest, await simulated.uid())
    assert (await simulated.vmflow("get", "vs/web")).out.splitlines()[1].split()[0] == "web"
    assert "no worker has taken it up yet" in (await simulated.vmflow("why", "web")).out
    assert is_one_line(await simulated.vmflow("stop", "web"), "Unavailable")
    assert (await simulated.vmflow("delete", "vs", "web", "--no-wait")).code == 0
    await simulated.stack.up()
    assert (await simulated.vmflow("wait", "web", "--for=deleted", "--timeout=60")).code == 0
    await simulated.forget_images()
    await simulated.until_nothing_is_left()
