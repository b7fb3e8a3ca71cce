"""The way by a gateway where it differs: whose namespace is meant, what a role allows, what is wrong with the way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from domain.access import Role
from runtime import accounts, kubeconfig
from runtime.objects import Document
from runtime.settings import Settings
from tests.cli.conftest import admitted
from tests.cli.saying import GATEWAY, ME, is_about, is_one_line, me
from tests.e2e.stacks import Said, eventually, vmflow
from tests.e2e.tenant import VM, Tenant
from tests.image_server import ImageServer
from tests.temporal_server import free_port, private_settings

pytestmark = pytest.mark.xdist_group("commands")

COMMANDS = (["get", "vs"], ["why", "web"], ["stop", "web"], ["console", "web"], ["account", "token", "somebody"])


@pytest.fixture
def way() -> str:
    """The way commands take in these tests."""
    return GATEWAY


async def asked(tenant: Tenant, file: Path, *words: str, stdin: str = "") -> Said:
    """Run a command with a kubeconfig, and with no namespace on the command line."""
    return await vmflow(tenant.stack.settings, *words, stdin=stdin, VMFLOW_KUBECONFIG=str(file))


async def test_the_namespace_is_the_kubeconfigs_where_none_is_named(
    simulated: Tenant, images: ImageServer, tmp_path: Path
) -> None:
    file = tmp_path / "kubeconfig"
    assert (await asked(simulated, file, "get", "vs")).err == (
        f"No virtualservers found in namespace {simulated.namespace}.\n"
    )
    manifest = simulated.vm(images.url + "/disk.qcow2", runStrategy="Halted")
    del manifest["metadata"]["namespace"]
    text = yaml.safe_dump(manifest)
    for word in ("created", "unchanged"):
        assert (await asked(simulated, file, "apply", "-f", "-", stdin=text)).out == f"virtualserver/web {word}\n"
    await simulated.until_status("Stopped")
    assert (await asked(simulated, file, "wait", "web", "--for=Stopped")).code == 0
    for words in (["describe", "vs/web"], ["why", "web"], ["events", "web"], ["get", "vs", "web"]):
        assert (await asked(simulated, file, *words)).code == 0, words
    everywhere = (await asked(simulated, file, "get", "vs", "-A")).out.splitlines()
    assert [simulated.namespace, "web"] in [line.split()[:2] for line in everywhere]
    said = await asked(simulated, file, "delete", "-f", "-", stdin=text)
    assert (said.code, said.out) == (0, "virtualserver/web deleted\n")


async def test_who_asks_is_the_account_and_not_who_the_command_says(web: Tenant) -> None:
    assert me(web) != ME
    assert (await web.vmflow("pause", "web")).code == 0
    asked_last = (await web.until(lambda status: "lastOperation" in status, "it shows"))["lastOperation"]
    assert asked_last["by"] == me(web)


async def test_the_books_of_the_server_are_not_shown(web: Tenant) -> None:
    manifest = (await web.vmflow("get", "vs/web", "-o", "yaml")).out
    document = yaml.safe_load(manifest)
    document["metadata"]["labels"] = {"team": "blue"}
    assert (await web.vmflow("apply", "-f", "-", stdin=yaml.safe_dump(without_status(document)))).code == 0
    assert "managedFields" in (await web.objects.get(VM, "web", web.namespace))["metadata"]
    assert "managedFields" not in (await web.vmflow("get", "vs/web", "-o", "yaml")).out


async def test_orphans_are_listed_and_not_discarded(simulated: Tenant) -> None:
    uid = "2b7a2f6e-0000-4000-8000-000000000001"
    said = await vmflow(simulated.stack.settings, "orphans", **simulated.variables)
    assert (said.code, said.err) == (0, "No orphans found.\n")
    said = await vmflow(simulated.stack.settings, "discard", "local", uid, **simulated.variables)
    assert is_one_line(said, "NotByGateway"), said
    assert is_about(said, "NotByGateway", uid, "with VMFLOW_KUBECONFIG unset")


async def test_a_role_that_is_too_small_is_forbidden_and_says_who_cannot_do_what(web: Tenant, tmp_path: Path) -> None:
    file = await admitted(web, tmp_path / "viewer", Role.VIEWER, web.namespace)
    assert (await asked(web, file, "get", "vs")).code == 0
    user = yaml.safe_load(file.read_text())["users"][0]["name"]
    for words, verb in ((["stop", "web"], "update"), (["delete", "vs/web"], "delete"), (["console", "web"], "get")):
        said = await asked(web, file, *words)
        assert is_one_line(said, "Forbidden"), said
        assert is_about(said, "Forbidden", "403", "virtualservers", "web", f'User "{user}" cannot {verb}', "a role")
    said = await asked(web, file, "get", "accounts")
    assert is_one_line(said, "Forbidden"), said


async def test_a_token_nobody_knows_any_more_says_whose_it_is_and_who_gives_another(
    simulated: Tenant, tmp_path: Path
) -> None:
    file = await admitted(simulated, tmp_path / "revoked")
    user = yaml.safe_load(file.read_text())["users"][0]["name"]
    assert (await asked(simulated, file, "get", "vs")).code == 0
    await accounts.renew(simulated.objects, user)

    async def noticed() -> bool:
        return (await asked(simulated, file, "get", "vs")).code == 1

    await eventually(noticed, "the gateway has read the account again", within=20)
    for words in COMMANDS:
        said = await asked(simulated, file, *words)
        assert is_one_line(said, "Unauthorized"), said
        assert is_about(said, "Unauthorized", "401", user, str(file), "vmflow account token")


async def test_a_certificate_of_somebody_else_says_what_to_write_anew(simulated: Tenant, tmp_path: Path) -> None:
    file = await admitted(simulated, tmp_path / "stranger")
    config = yaml.safe_load(file.read_text())
    del config["clusters"][0]["cluster"]["certificate-authority-data"]  # those of this machine are trusted then
    kubeconfig.write(file, config)
    for words in (["get", "vs"], ["console", "web"]):
        said = await asked(simulated, file, *words)
        assert is_one_line(said, "GatewayUntrusted"), said
        assert is_about(said, "GatewayUntrusted", simulated.stack.settings.gateway_url, str(file), "vmflow kubeconfig")


async def test_a_namespace_that_is_not_there_is_named(simulated: Tenant, images: ImageServer) -> None:
    manifest = simulated.vm(images.url + "/disk.qcow2")
    manifest["metadata"]["namespace"] = "nowhere"
    words = ("apply", "-f", "-")
    said = await vmflow(simulated.stack.settings, *words, stdin=yaml.safe_dump(manifest), **simulated.variables)
    assert is_one_line(said, "NotFound"), said
    assert is_about(said, "NotFound", "namespaces", "nowhere")


@pytest.fixture
def nowhere(tmp_path: Path) -> Settings:
    """Settings of a home in which nothing runs."""
    return private_settings(tmp_path)


async def test_a_gateway_that_does_not_run_is_named(nowhere: Settings, tmp_path: Path) -> None:
    server = f"https://127.0.0.1:{free_port()}"
    file = written(tmp_path / "kubeconfig", server)
    for words in COMMANDS:
        said = await vmflow(nowhere, *words, VMFLOW_KUBECONFIG=str(file))
        assert is_one_line(said, "GatewayUnreachable"), said
        assert is_about(said, "GatewayUnreachable", server, "vmflow up")


async def test_a_kubeconfig_that_is_not_there_is_named_with_its_variable(nowhere: Settings, tmp_path: Path) -> None:
    for words in COMMANDS:
        said = await vmflow(nowhere, *words, VMFLOW_KUBECONFIG=str(tmp_path / "nothing"))
        assert is_one_line(said, "NoKubeconfig"), said
        assert is_about(said, "NoKubeconfig", str(tmp_path / "nothing"), "VMFLOW_KUBECONFIG", "vmflow kubeconfig")


async def test_this_machines_own_commands_do_not_look_at_it(nowhere: Settings, tmp_path: Path) -> None:
    said = await vmflow(nowhere, "status", VMFLOW_KUBECONFIG=str(tmp_path / "nothing"))
    assert (said.code, said.err) == (3, "")


async def test_a_server_that_is_no_gateway_is_told(nowhere: Settings, tmp_path: Path) -> None:
    with ImageServer() as server:
        path = "/apis/tensorstack.dev/v1beta1/namespaces/default/virtualservers"
        server.serve(path, b"<html>")
        said = await vmflow(nowhere, "get", "vs", VMFLOW_KUBECONFIG=str(written(tmp_path / "odd", server.url)))
        assert is_about(said, "NoGateway", server.url)
        said = await vmflow(nowhere, "why", "web", VMFLOW_KUBECONFIG=str(tmp_path / "odd"))
        assert is_about(said, "HTTP404", server.url)


@pytest.fixture
async def stopped(simulated: Tenant) -> AsyncIterator[Tenant]:
    """A stack whose gateway was killed; the next test finds it up again."""
    await simulated.stack.kill("gateway")
    yield simulated
    await simulated.stack.up()


async def test_without_the_gateway_temporal_still_answers_who_asks_that_way(stopped: Tenant) -> None:
    said = await stopped.vmflow("get", "vs")
    assert is_about(said, "GatewayUnreachable", stopped.stack.settings.gateway_url)
    assert (await stopped.stack.vmflow("get", "vs", "-n", stopped.namespace)).code == 0


def without_status(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "status"}


def written(file: Path, server: str) -> Path:
    """Write a kubeconfig for a server."""
    config = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "vmf_nobody"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    kubeconfig.write(file, config)
    return file
