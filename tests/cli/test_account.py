"""Accounts by the command line: created with a role, and given another token; by Temporal, and by a gateway."""

import ssl
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml

from domain.access import Role
from tests.cli.conftest import admitted
from tests.cli.saying import WAYS, is_about, is_one_line
from tests.e2e.stacks import Said, eventually, vmflow
from tests.e2e.tenant import Tenant

pytestmark = [pytest.mark.xdist_group("commands"), pytest.mark.parametrize("way", WAYS)]


@pytest.fixture
def name() -> str:
    """A name nobody has."""
    return f"somebody-{uuid4().hex[:8]}"


async def account(tenant: Tenant, *words: str) -> Said:
    return await vmflow(tenant.stack.settings, "account", *words, **tenant.variables)


async def answered(tenant: Tenant, token: str, method: str = "GET", part: str = "") -> int:
    """Return the code with which the gateway answers somebody with a token who asks for VMs of the namespace."""
    settings = tenant.stack.settings
    path = f"/apis/tensorstack.dev/v1beta1/namespaces/{tenant.namespace}/virtualservers{part}"
    trusted = ssl.create_default_context(cafile=settings.gateway_directory / "ca.crt")
    async with httpx.AsyncClient(verify=trusted, base_url=settings.gateway_url) as http:
        return (await http.request(method, path, headers={"Authorization": f"Bearer {token}"})).status_code


async def test_a_new_account_may_what_its_role_allows_and_its_token_is_printed_once(
    simulated: Tenant, name: str
) -> None:
    said = await account(simulated, "create", name, "--role", "viewer", "-n", simulated.namespace)
    assert (said.code, said.err) == (
        0,
        f"account/{name} created; this is its token, which is not shown again:\n",
    )
    token = said.out.strip()
    assert token.startswith("vmf_")
    assert await answered(simulated, token) == 200
    assert await answered(simulated, token, "DELETE", "/web") == 403
    shown = await vmflow(simulated.stack.settings, "get", f"account/{name}", "-o", "yaml", **simulated.variables)
    assert yaml.safe_load(shown.out)["spec"]["roles"] == [{"namespace": simulated.namespace, "role": "viewer"}]
    assert token not in shown.out


async def test_a_role_may_hold_everywhere(simulated: Tenant, name: str) -> None:
    token = (await account(simulated, "create", name, "--role", "editor", "--all-namespaces")).out.strip()
    assert await answered(simulated, token, "DELETE", "/web") == 404, "it may, and there is none"


async def test_another_token_ends_the_one_before_and_keeps_the_roles(simulated: Tenant, name: str) -> None:
    first = (await account(simulated, "create", name, "--role", "viewer", "-A")).out.strip()
    said = await account(simulated, "token", name)
    assert said.code == 0
    assert said.err == f"account/{name} has a new token; this is its token, which is not shown again:\n"
    second = said.out.strip()
    assert second != first
    assert await answered(simulated, second) == 200

    async def refused() -> bool:
        return await answered(simulated, first) == 401

    await eventually(refused, "the first token is worth nothing", within=20)
    assert await answered(simulated, second, "DELETE", "/web") == 403, "it is a viewer still"


async def test_what_is_there_is_not_created_and_what_is_not_gets_no_token(simulated: Tenant, name: str) -> None:
    said = await account(simulated, "token", name)
    assert is_one_line(said, "NotFound"), said
    assert is_about(said, "NotFound", name)
    assert (await account(simulated, "create", name, "--role", "viewer")).code == 0
    said = await account(simulated, "create", name, "--role", "admin", "-A")
    assert is_one_line(said, "AlreadyExists"), said
    assert is_about(said, "AlreadyExists", name)


async def test_a_name_that_cannot_be_is_refused_before_anything_is_made(simulated: Tenant) -> None:
    said = await account(simulated, "create", "Not A Name", "--role", "viewer")
    assert is_one_line(said, "InvalidManifest"), said
    assert "metadata.name" in said.err


async def test_only_an_admin_makes_accounts_by_a_gateway(simulated: Tenant, name: str, tmp_path: Path) -> None:
    file = await admitted(simulated, tmp_path / "editor", Role.EDITOR)
    for words in (["create", name, "--role", "admin", "-A"], ["token", "admin"]):
        said = await vmflow(simulated.stack.settings, "account", *words, VMFLOW_KUBECONFIG=str(file))
        assert is_one_line(said, "Forbidden"), said
        assert is_about(said, "Forbidden", "accounts", "an admin may")
