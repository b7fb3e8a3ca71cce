"""May I? Who am I? The answers are those that requests get."""

import pytest

from domain.access import Role
from tests.api.conftest import Hire
from tests.api.talking import Talker, config_map, maps

ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


async def allowed(talker: Talker, **attributes: str) -> bool:
    asked = {"spec": {"resourceAttributes": attributes}}
    return bool((await talker.create(ACCESS, asked))["status"]["allowed"])


@pytest.mark.parametrize(
    ("role", "can"),
    [(Role.VIEWER, {"list"}), (Role.EDITOR, {"list", "create", "delete"}), (Role.ADMIN, {"list", "create", "delete"})],
)
async def test_a_role_may_what_the_answer_says(hired: Hire, namespace: str, role: Role, can: set[str]) -> None:
    somebody = await hired(role, namespace)
    for verb in ("list", "create", "delete"):
        assert await allowed(somebody, verb=verb, resource="configmaps", namespace=namespace) is (verb in can)
        assert not await allowed(somebody, verb=verb, resource="configmaps", namespace="default")
    created = await somebody.http.post(maps(namespace), json=config_map())
    assert created.status_code == (201 if "create" in can else 403)


async def test_everything_is_for_admins_of_everything(admin: Talker, hired: Hire, namespace: str) -> None:
    assert await allowed(admin, verb="*", resource="*")
    assert not await allowed(await hired(Role.ADMIN, namespace), verb="*", resource="*")
    assert await allowed(await hired(Role.ADMIN, namespace), verb="*", resource="*", namespace=namespace)


async def test_the_parts_of_an_object_are_asked_about_apart(hired: Hire, namespace: str) -> None:
    viewer = await hired(Role.VIEWER, namespace)
    machine = {"group": "tensorstack.dev", "resource": "virtualservers", "namespace": namespace}
    assert await allowed(viewer, verb="get", subresource="log", **machine)
    assert not await allowed(viewer, verb="get", subresource="console", **machine)
    assert not await allowed(viewer, verb="update", subresource="stop", **machine)


async def test_rules_list_what_may_be_done_in_a_namespace(hired: Hire, namespace: str) -> None:
    viewer = await hired(Role.VIEWER, namespace)
    rules = (await viewer.create(RULES, {"spec": {"namespace": namespace}}))["status"]["resourceRules"]
    verbs = {rule["resources"][0]: set(rule["verbs"]) for rule in rules}
    assert verbs["configmaps"] == {"get", "list", "watch"}
    assert "secrets" not in verbs
    assert "accounts" not in verbs


async def test_who_asks_is_told_their_name(hired: Hire, namespace: str) -> None:
    viewer = await hired(Role.VIEWER, namespace)
    assert (await viewer.create(WHO, {}))["status"]["userInfo"]["username"] == viewer.name


async def test_a_question_without_an_object_is_refused(admin: Talker) -> None:
    await admin.refusal("POST", ACCESS, 400, json={"spec": {}})
    await admin.refusal("POST", ACCESS, 400, json={"spec": "everything"})
    await admin.refusal("GET", ACCESS, 405)
