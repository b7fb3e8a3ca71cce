"""Hostile requests and the right refusal: a Status that names what is wrong, and nothing left behind."""

import base64
import gzip
import json

import httpx
import pytest

from api.door import Door
from api.gateway import Gateway
from api.limits import Allowance
from api.watching import clock
from domain.access import Role
from tests.api.conftest import Hire
from tests.api.talking import PROJECT, VERSION, Json, Talker, config_map, machine, machines, maps, refused

YAML = {"Content-Type": "application/yaml"}
BAD_NAMES = ["../etc", "a/../b", "-x", "a\u0000b", "a\nb", "\u202egnp.exe", "x" * 300, "UPPER", "a b", ".", "..", ""]


async def left_in(talker: Talker, path: str) -> list[Json]:
    items: list[Json] = (await talker.get(path))["items"]
    return items


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
async def test_hostile_15_names_that_are_none_are_refused(admin: Talker, namespace: str, name: str) -> None:
    status = await admin.refusal("POST", machines(namespace), 422, json=machine(name))
    assert status["reason"] == "Invalid"
    assert "metadata.name" in [cause["field"] for cause in status["details"]["causes"]]
    assert await left_in(admin, machines(namespace)) == []


@pytest.mark.parametrize(
    "options",
    [{"propagationPolicy": ["x"]}, {"preconditions": {"uid": ["x"]}}, {"preconditions": {"uid": {}}}],
    ids=str,
)
async def test_hostile_17_deletions_with_other_types_are_refused(admin: Talker, namespace: str, options: Json) -> None:
    await admin.create(maps(namespace), config_map("kept"))
    answer = await admin.http.request("DELETE", maps(namespace, "kept"), json=options)
    assert 400 <= answer.status_code < 500
    assert [each["metadata"]["name"] for each in await left_in(admin, maps(namespace))] == ["kept"]


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
@pytest.mark.parametrize("value", [["x"], {"x": "y"}, 7], ids=str)
async def test_hostile_17_identities_of_other_types_are_refused(
    admin: Talker, namespace: str, field: str, value: object
) -> None:
    await admin.create(maps(namespace), config_map("kept"))
    document = config_map("kept", labels={"tier": "other"})
    document["metadata"][field] = value
    answer = await admin.http.put(maps(namespace, "kept"), json=document)
    assert 400 <= answer.status_code < 500


async def test_hostile_17_questions_and_tokens_of_other_types_are_answered(admin: Talker, namespace: str) -> None:
    review = {"spec": {"nonResourceAttributes": {"verb": ["get"], "path": "/version"}}}
    answer = await admin.http.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=review)
    assert (answer.status_code, answer.json()["status"]["allowed"]) == (201, False)
    deep = base64.urlsafe_b64encode(b"[" * 9000).decode()
    await admin.refusal("GET", maps(namespace), 400, params={"limit": "1", "continue": deep})


@pytest.mark.parametrize("label", ["../x", "a" * 64, "-a", "a\u0000"], ids=repr)
async def test_hostile_15_labels_that_are_none_are_refused(admin: Talker, namespace: str, label: str) -> None:
    await admin.refusal("POST", maps(namespace), 422, json=config_map(labels={"tier": label}))
    await admin.refusal("POST", maps(namespace), 422, json=config_map(labels={label: "tier"}))


async def test_hostile_16_a_text_that_closes_an_element_is_kept_as_text(admin: Talker, namespace: str) -> None:
    text = "</description></metadata><devices><hostdev/></devices>"
    document = machine()
    document["metadata"]["annotations"] = {"description": text}
    created = await admin.create(machines(namespace), document)
    assert created["metadata"]["annotations"] == {"description": text}


@pytest.mark.parametrize("letter", ["\u0000", "\u0008", "\u001b", "\ufffe", "\u009f"], ids=repr)
async def test_hostile_17_characters_that_xml_cannot_carry_are_refused(
    admin: Talker, namespace: str, letter: str
) -> None:
    status = await admin.refusal("POST", machines(namespace), 422, json=machine(cloudInit=f"#cloud-config\n{letter}"))
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.cloudInit"]


@pytest.mark.parametrize("field", ["xml", "qemuArgs", "qemuCommandline", "libvirtXml", "hostDevices"])
async def test_hostile_18_a_tenant_hands_nothing_to_qemu_or_libvirt(
    admin: Talker, hired: Hire, namespace: str, field: str
) -> None:
    tenant = await hired(Role.EDITOR, namespace)
    document = machine(**{field: "<qemu:commandline/>"})
    status = await tenant.refusal("POST", machines(namespace), 400, json=document, params={"fieldValidation": "Strict"})
    assert f'unknown field "spec.{field}"' in status["message"]
    created = await tenant.create(machines(namespace), document)
    assert field not in created["spec"]


async def test_hostile_18_a_tenant_declares_no_hypervisor(hired: Hire, namespace: str) -> None:
    tenant = await hired(Role.EDITOR, namespace)
    host = {
        "metadata": {"name": "mine"},
        "spec": {"zone": "local", "libvirt": {"uri": "qemu:///system", "directory": "/"}},
    }
    status = await tenant.refusal("POST", f"{PROJECT}/hypervisors", 403, json=host)
    assert "cannot create resource" in status["message"]


@pytest.mark.parametrize("url", ["file:///etc/shadow", "/dev/sda", "nbd://10.0.0.1/x", "json:{}", "rbd:pool/image"])
async def test_hostile_19_a_disk_is_no_path_of_the_host(admin: Talker, namespace: str, url: str) -> None:
    document = machine(storage={"root": {"pvc": {"size": "4Gi"}, "source": {"http": {"url": url}}}})
    status = await admin.refusal("POST", machines(namespace), 422, json=document)
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.storage.root.source.http.url"]


async def test_hostile_19_a_host_path_is_no_disk(admin: Talker, namespace: str) -> None:
    storage = machine()["spec"]["storage"]
    document = machine(storage={**storage, "additionalDisks": [{"name": "d", "hostDisk": {"path": "/dev/sda"}}]})
    status = await admin.refusal("POST", machines(namespace), 422, json=document)
    assert "spec.storage.additionalDisks" in status["message"]


async def test_hostile_20_user_data_is_no_larger_than_what_reaches_a_guest(admin: Talker, namespace: str) -> None:
    status = await admin.refusal("POST", machines(namespace), 422, json=machine(cloudInit="x" * 70_000))
    assert "spec.cloudInit" in status["message"]
    assert "xxxx" not in status["message"]


async def test_hostile_21_what_is_in_another_namespace_is_not_found_here(
    admin: Talker, hired: Hire, namespace: str
) -> None:
    tenant = await hired(Role.EDITOR, namespace)
    for kind, plural in (("Secret", "secrets"), ("ConfigMap", "configmaps")):
        there = {"kind": kind, "apiVersion": "v1", "metadata": {"generateName": "theirs-"}}
        name = (await admin.create(f"/api/v1/namespaces/default/{plural}", there))["metadata"]["name"]
        await tenant.refusal("GET", f"/api/v1/namespaces/{namespace}/{plural}/{name}", 404)
        shown = await tenant.refusal("GET", f"/api/v1/namespaces/default/{plural}/{name}", 403)
        absent = await tenant.refusal("GET", f"/api/v1/namespaces/default/{plural}/no-such-name", 403)
        assert shown["message"].replace(name, "") == absent["message"].replace("no-such-name", "")


async def test_hostile_22_unknown_fields_are_refused_as_kubectl_expects(admin: Talker, namespace: str) -> None:
    document = machine(colour="blue")
    document["spec"]["resources"]["wheels"] = 4
    status = await admin.refusal("POST", machines(namespace), 400, json=document, params={"fieldValidation": "Strict"})
    assert (
        'strict decoding error: unknown field "spec.colour", unknown field "spec.resources.wheels"' in status["message"]
    )
    warned = await admin.http.post(machines(namespace), json=document, params={"fieldValidation": "Warn"})
    assert warned.status_code == 201
    assert warned.headers.get_list("warning") == [
        '299 - "unknown field \\"spec.colour\\""',
        '299 - "unknown field \\"spec.resources.wheels\\""',
    ]
    document["metadata"]["name"] = "ignored"
    ignored = await admin.http.post(machines(namespace), json=document, params={"fieldValidation": "Ignore"})
    assert (ignored.status_code, "warning" in ignored.headers) == (201, False)


async def test_hostile_22_fields_that_are_there_twice_are_refused(admin: Talker, namespace: str) -> None:
    body = '{"metadata": {"name": "a", "name": "b"}, "data": {}}'
    request = {"content": body, "headers": {"Content-Type": "application/json"}}
    status = await admin.refusal("POST", maps(namespace), 400, params={"fieldValidation": "Strict"}, **request)
    assert 'duplicate field "metadata.name"' in status["message"]


@pytest.mark.parametrize(
    "selector",
    ["a=b' OR VmflowNamespace='default", "a=b) OR (1=1", "VmflowKind = 'Secret'", "a in (b", "=", "a=b;drop"],
)
async def test_hostile_23_a_selector_selects_and_nothing_else(
    admin: Talker, hired: Hire, namespace: str, selector: str
) -> None:
    tenant = await hired(Role.EDITOR, namespace)
    await admin.create(maps("default"), {"metadata": {"generateName": "theirs-", "labels": {"a": "b"}}})
    status = await tenant.refusal("GET", maps(namespace), 400, params={"labelSelector": selector})
    assert status["reason"] == "BadRequest"
    fields = await tenant.http.get(maps(namespace), params={"fieldSelector": "metadata.namespace=default"})
    assert fields.json()["items"] == []
    await tenant.refusal("GET", "/api/v1/configmaps", 403, params={"fieldSelector": f"metadata.namespace={namespace}"})


async def test_hostile_25_a_viewer_changes_nothing_and_sees_no_secret(
    admin: Talker, hired: Hire, namespace: str
) -> None:
    viewer = await hired(Role.VIEWER, namespace)
    await admin.create(maps(namespace), config_map())
    await admin.create(machines(namespace), machine())
    assert len(await left_in(viewer, maps(namespace))) == 1
    for method, path, body in (
        ("DELETE", maps(namespace, "settings"), None),
        ("DELETE", maps(namespace), None),
        ("POST", maps(namespace), config_map("more")),
        ("PUT", maps(namespace, "settings"), config_map()),
        ("PUT", machines(namespace, "web", "stop"), {}),
        ("POST", machines(namespace, "web", "start"), {}),
        ("GET", f"/api/v1/namespaces/{namespace}/secrets", None),
        ("GET", f"{PROJECT}/accounts", None),
        ("GET", maps("default"), None),
    ):
        status = await viewer.refusal(method, path, 403, json=body)
        assert status["reason"] == "Forbidden"
        assert f'User "{viewer.name}" cannot' in status["message"]
    assert len(await left_in(admin, maps(namespace))) == 1


async def test_hostile_25_a_token_that_was_taken_away_is_worth_nothing(
    admin: Talker, hired: Hire, namespace: str
) -> None:
    leaver = await hired(Role.ADMIN, namespace)
    assert await left_in(leaver, maps(namespace)) == []
    gone = await admin.http.delete(f"{PROJECT}/accounts/{leaver.name}")
    assert gone.status_code == 200, gone.text
    assert (await leaver.refusal("GET", maps(namespace), 401))["reason"] == "Unauthorized"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer vmf_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer " + "x" * 10_000,
    ],
    ids=["none", "bare", "empty", "unknown", "alg-none", "basic", "long"],
)
async def test_hostile_25_who_is_not_known_is_told_nothing(door: Door, lived: None, authorization: str) -> None:
    transport = httpx.ASGITransport(app=door)
    headers = {"Authorization": authorization} if authorization else {}
    async with httpx.AsyncClient(transport=transport, base_url="https://gateway", headers=headers) as http:
        for path in (
            "/api",
            "/apis",
            VERSION,
            maps("default"),
            "/openapi/v3",
            "/apis/no.such.group/v1/things",
            "/api/v9",
        ):
            answer = await http.get(path)
            assert refused(answer, 401)["message"] == "Unauthorized"
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/version", "/healthz", "/livez", "/readyz"):
            assert (await http.get(path)).status_code == 200


async def test_hostile_27_a_body_that_nests_without_end_is_refused(admin: Talker, namespace: str) -> None:
    for body in ('{"a":' * 100_000 + "1" + "}" * 100_000, "[" * 100_000):
        status = await admin.refusal(
            "POST", maps(namespace), 400, content=body, headers={"Content-Type": "application/json"}
        )
        assert "deep" in status["message"] or "parse" in status["message"]


async def test_hostile_27_a_billion_laughs_are_not_laughed(admin: Talker, namespace: str) -> None:
    lines = ["a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    status = await admin.refusal("POST", maps(namespace), 400, content="\n".join(lines), headers=YAML)
    assert "alias" in status["message"]


async def test_hostile_27_a_body_larger_than_any_manifest_is_refused(admin: Talker, namespace: str) -> None:
    status = await admin.refusal("POST", maps(namespace), 413, json=config_map(data={"a": "x" * 4_000_000}))
    assert status["reason"] == "RequestEntityTooLarge"


async def test_hostile_27_a_gzip_bomb_is_refused_at_the_limit(admin: Talker, namespace: str) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    await admin.refusal("POST", maps(namespace), 413, content=bomb, headers=headers)
    small = gzip.compress(json.dumps(config_map()).encode())
    assert (await admin.http.post(maps(namespace), content=small, headers=headers)).status_code == 201


async def test_hostile_27_huge_labels_and_annotations_are_refused(admin: Talker, namespace: str) -> None:
    await admin.refusal("POST", maps(namespace), 422, json=config_map(annotations={"a": "x" * 300_000}))
    await admin.refusal("POST", maps(namespace), 422, json=config_map(labels={"a": "x" * 100_000}))
    many = {f"label-{each}": "x" for each in range(9000)}
    status = await admin.refusal("POST", maps(namespace), 422, json=config_map(labels=many))
    assert [each["field"] for each in status["details"]["causes"]] == ["metadata.labels"]


@pytest.mark.parametrize("way", ["deeper", "copied"])
async def test_hostile_27_a_patch_nests_no_deeper_than_a_body(admin: Talker, namespace: str, way: str) -> None:
    await admin.create(maps(namespace), config_map())
    owners = "/metadata/ownerReferences"
    deep: Json = {"a": "x"}
    for _ in range(89):
        deep = {"a": deep}
    path = owners + "/0" + "/a" * 90
    patch: list[Json] = [{"op": "add", "path": owners, "value": [deep]}]
    patch += [{"op": "add", "path": path + "/a" * 90 * each, "value": deep} for each in range(20)]
    patch += [{"op": "copy", "from": owners, "path": "/metadata/finalizers"}] if way == "copied" else []
    headers = {"Content-Type": "application/json-patch+json"}
    status = await admin.refusal("PATCH", maps(namespace, "settings"), 400, json=patch, headers=headers)
    assert "nests deeper than 100 levels" in status["message"]


async def test_hostile_27_of_many_unknown_fields_a_few_are_warned_of(admin: Talker, namespace: str) -> None:
    document = config_map() | {f"x{each}": 1 for each in range(5000)}
    answer = await admin.http.post(maps(namespace), json=document)
    assert answer.status_code == 201
    warnings = answer.headers.get_list("warning")
    assert (len(warnings), warnings[-1]) == (21, '299 - "and 4980 more unknown fields"')


@pytest.mark.parametrize("name", ["limit", "timeoutSeconds", "gracePeriodSeconds"])
async def test_hostile_27_numbers_without_end_are_refused(admin: Talker, namespace: str, name: str) -> None:
    method, path = ("DELETE", maps(namespace, "a")) if name == "gracePeriodSeconds" else ("GET", maps(namespace))
    if method == "DELETE":
        await admin.create(maps(namespace), config_map("a"))
    await admin.refusal(method, path, 400, params={name: "0" * 5000})


async def test_hostile_27_what_temporal_cannot_carry_is_not_sent(admin: Talker, namespace: str) -> None:
    status = await admin.refusal("POST", maps(namespace), 422, json=config_map(data={"a": "x" * 1_200_000}))
    assert status["reason"] == "Invalid"


async def test_hostile_27_a_flood_is_slowed_down(gateway: Gateway, admin: Talker, namespace: str) -> None:
    gateway.allowance = Allowance(rate=1.0, burst=3.0, clock=clock)
    codes = [(await admin.http.get(maps(namespace))).status_code for _ in range(6)]
    assert codes[:3] == [200, 200, 200]
    late = await admin.http.get(maps(namespace))
    assert refused(late, 429)["reason"] == "TooManyRequests"
    assert late.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/default%2fconfigmaps",
        "/api/v1/namespaces/a%2f..%2fb/configmaps",
        "/api/v1/namespaces/%2e%2e/configmaps",
        "/api/v1/namespaces//configmaps",
        "/api//v1/namespaces",
        "/api/v1/namespaces/a%00b/configmaps",
        "/api/v1/namespaces/a%5cb/configmaps",
        "/api/v1/namespaces/%ff/configmaps",
        "/api/v1/namespaces/%zz/configmaps",
    ],
)
async def test_a_path_that_could_mean_two_things_is_refused(admin: Talker, path: str) -> None:
    request = httpx.Request("GET", "https://gateway/", headers=admin.http.headers)
    request.url = httpx.URL("https://gateway").copy_with(raw_path=path.encode())
    status = refused(await admin.http.send(request), 400)
    assert "path" in status["message"]


async def test_what_is_nowhere_is_not_found_and_other_methods_are_not_allowed(admin: Talker, namespace: str) -> None:
    for path in ("/", "/nope", "/api/v1/things", "/apis/vmflow.dev/v2/zones", maps(namespace, "a") + "/nope"):
        assert (await admin.refusal("GET", path, 404))["reason"] == "NotFound"
    for method, path in (
        ("PUT", maps(namespace)),
        ("PATCH", maps(namespace)),
        ("POST", maps(namespace, "a")),
        ("POST", "/version"),
        ("DELETE", "/api"),
        ("OPTIONS", maps(namespace)),
        ("TRACE", maps(namespace)),
        ("BREW", maps(namespace)),
    ):
        assert (await admin.refusal(method, path, 405))["reason"] == "MethodNotAllowed", (method, path)


async def test_nothing_is_behind_what_a_path_names(admin: Talker, namespace: str) -> None:
    await admin.create(machines(namespace), machine())
    for method, path in (
        ("GET", machines(namespace, "web", "status") + "/foo/bar"),
        ("GET", machines(namespace, "web", "console") + "/extra"),
        ("PUT", machines(namespace, "web", "stop") + "/extra"),
        ("GET", f"/api/v1/namespaces/{namespace}/namespaces/default"),
        ("GET", f"{PROJECT}/namespaces/{namespace}/zones"),
        ("DELETE", f"{PROJECT}/namespaces/{namespace}/zones/nowhere"),
    ):
        status = await admin.refusal(method, path, 404)
        assert status["message"] == "the server could not find the requested resource", (method, path)


async def test_a_mistake_of_ours_is_told_without_its_trace(
    admin: Talker, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_self: object, *_arguments: object) -> None:
        raise RuntimeError("a secret of the gateway's own")

    monkeypatch.setattr("api.store.Store.get", broken)
    status = await admin.refusal("GET", maps(namespace, "a"), 500)
    assert status["reason"] == "InternalError"
    assert "secret" not in json.dumps(status)
