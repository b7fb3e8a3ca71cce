"""Commands on a running stack: what is asked, what is answered, and with which exit code."""

import asyncio
import json
import time

import pytest
import yaml

from tests.cli.saying import completed, is_one_line
from tests.e2e.stacks import WORKERS
from tests.e2e.tenant import Tenant
from tests.image_server import ImageServer

pytestmark = pytest.mark.xdist_group("commands")


@pytest.fixture
async def web(simulated: Tenant, images: ImageServer) -> Tenant:
    """A namespace with one VM that runs, called web."""
    await simulated.apply(simulated.vm(images.url + "/disk.qcow2"))
    await simulated.until_ready()
    return simulated


async def test_an_object_is_asked_for_in_either_of_kubectls_ways(web: Tenant) -> None:
    for words in (["vs", "web"], ["vs/web"]):
        assert (await web.vmflow("get", *words)).out.splitlines()[1].split()[:3] == ["web", "Running", "True"]
    assert (await web.vmflow("get", "VirtualServer/web", "-o", "name")).out == "virtualserver/web\n"
    documents = json.loads((await web.vmflow("get", "vs/web", "zones/local", "-o", "json")).out)
    assert [each["kind"] for each in documents["items"]] == ["VirtualServer", "Zone"]
    tables = (await web.vmflow("get", "vs/web", "zones/local")).out.split("\n\n")
    assert [table.split()[0] for table in tables] == ["NAME", "NAME"]


async def test_an_empty_list_is_told_on_standard_error(simulated: Tenant) -> None:
    said = await simulated.vmflow("get", "vs")
    assert (said.code, said.out) == (0, "")
    assert said.err == f"No virtualservers found in namespace {simulated.namespace}.\n"


async def test_what_is_not_there_is_not_found(simulated: Tenant) -> None:
    for command in (["describe", "vs", "nope"], ["why", "nope"], ["stop", "nope"], ["wait", "nope"]):
        said = await simulated.vmflow(*command)
        assert is_one_line(said, "NotFound"), said


async def test_applying_twice_changes_nothing_and_another_spec_is_a_conflict(web: Tenant, images: ImageServer) -> None:
    same = web.vm(images.url + "/disk.qcow2")
    said = await web.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(same))
    assert (said.code, said.out) == (0, "virtualserver/web unchanged\n")
    other = web.vm(images.url + "/disk.qcow2", runStrategy="Halted")
    assert is_one_line(await web.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(other)), "Conflict")


async def test_an_operation_that_does_not_apply_is_refused_with_what_does(web: Tenant) -> None:
    said = await web.vmflow("start", "vs/web")
    assert is_one_line(said, "Conflict"), said
    assert "possible now: stop, restart" in said.err


async def test_a_wait_ends_when_it_is_there(web: Tenant) -> None:
    assert (await web.vmflow("stop", "virtualserver/web")).code == 0
    said = await web.vmflow("wait", "vs/web", "--for=Stopped", "--timeout=30")
    assert (said.code, said.out.splitlines()[-1]) == (0, "virtualserver/web Stopped")
    assert (await web.vmflow("start", "web")).code == 0
    assert (await web.vmflow("wait", "web", "--for=condition=Ready", "--timeout=30")).code == 0


async def test_a_wait_that_takes_too_long_says_where_to_look(web: Tenant) -> None:
    began = time.monotonic()
    said = await web.vmflow("wait", "web", "--for=Stopped", "--timeout=1")
    assert 1 <= time.monotonic() - began < 15
    assert said.code == 1
    assert (
        said.err == "Error (Timeout): virtualserver/web: not there after 1 s; `vmflow why web` says what it waits for\n"
    )


async def test_a_wait_for_the_end_ends_with_it(web: Tenant) -> None:
    waiting = asyncio.create_task(web.vmflow("wait", "web", "--for=deleted", "--timeout=60"))
    said = await web.vmflow("delete", "vs/web", "--no-wait")
    assert (said.code, said.out) == (0, "virtualserver/web is being deleted\n")
    ended = await waiting
    assert (ended.code, ended.out) == (0, "virtualserver/web deleted\n")
    assert (await web.vmflow("wait", "web", "--for=delete")).code == 0


async def test_deleting_goes_on_past_what_is_gone_and_says_so(web: Tenant) -> None:
    said = await web.vmflow("delete", "vs", "nope", "web")
    assert (said.code, said.out) == (1, "virtualserver/web deleted\n")
    assert said.err == "Error (NotFound): virtualservers 'nope' not found\n"
    assert (await web.vmflow("delete", "vs", "nope", "web", "--ignore-not-found")).code == 0


async def test_a_manifest_deletes_what_it_declared(web: Tenant, images: ImageServer) -> None:
    manifest = yaml.safe_dump(web.vm(images.url + "/disk.qcow2"))
    said = await web.vmflow("delete", "-f", "-", stdin=manifest)
    assert (said.code, said.out) == (0, "virtualserver/web deleted\n")


async def test_names_complete(web: Tenant) -> None:
    for words in ("vmflow stop w", "vmflow delete vms w"):
        assert "web" in (await completed(web.stack.settings, words)).out.split()


async def test_a_console_shows_its_end_and_needs_a_guest_that_is_somewhere(web: Tenant) -> None:
    whole = (await web.vmflow("console", "web", "--log")).out
    assert "Linux version" in whole
    assert (await web.vmflow("console", "web", "--log", "--limit", "20")).out.strip() in whole
    homeless = web.vm("http://127.0.0.1/disk", name="homeless")
    homeless["metadata"]["labels"] = {"topology.kubernetes.io/zone": "elsewhere"}
    await web.apply(homeless)
    await web.until_status("FailedUnschedulable", "homeless")
    assert is_one_line(await web.vmflow("console", "homeless", "--log"), "NotPlaced")


async def test_the_story_tells_what_was_asked_done_and_came_of_it(web: Tenant) -> None:
    await web.vmflow("stop", "web", "--request-id", "before-backup")
    await web.until_status("Stopped")
    story = [line[21:].split(maxsplit=1) for line in (await web.vmflow("events", "web")).out.splitlines()]
    assert story[0] == ["asked", "declared"]
    assert ["done", "build and power on at local"] in story
    assert ["asked", "stop (request before-backup)"] in story
    assert story[-1] == ["status", "Stopped: the guest shut itself down"]


async def test_without_workers_vms_are_declared_shown_and_deleted_all_the_same(
    simulated: Tenant, images: ImageServer
) -> None:
    await simulated.stack.kill(*WORKERS)
    manifest = simulated.vm(images.url + "/disk.qcow2")
    assert (await simulated.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(manifest))).code == 0
    simulated.expect(manifest, await simulated.uid())
    assert (await simulated.vmflow("get", "vs/web")).out.splitlines()[1].split() == ["web"]
    assert "no worker has taken it up yet" in (await simulated.vmflow("why", "web")).out
    assert is_one_line(await simulated.vmflow("stop", "web"), "Unavailable")
    assert (await simulated.vmflow("delete", "vs", "web", "--no-wait")).code == 0
    await simulated.stack.up()
    assert (await simulated.vmflow("wait", "web", "--for=deleted", "--timeout=60")).code == 0
    await simulated.forget_images()
    await simulated.until_nothing_is_left()
