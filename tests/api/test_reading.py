"""Lists: selected, in parts, in other forms, and with what was just written."""

from tests.api.talking import Talker, config_map, machine, machines, maps

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def names(listed: dict[str, object]) -> list[str]:
    items = listed["items"]
    assert isinstance(items, list)
    return [each["metadata"]["name"] for each in items]


async def test_what_was_created_is_in_the_next_list(admin: Talker, namespace: str) -> None:
    for number in range(5):
        await admin.create(maps(namespace), config_map(f"m{number}"))
        assert f"m{number}" in names(await admin.get(maps(namespace)))


async def test_what_was_changed_is_in_the_next_list(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map())
    for number in range(5):
        changed = await admin.http.patch(
            maps(namespace, "settings"),
            json={"data": {"n": str(number)}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert changed.status_code == 200, changed.text
        (listed,) = (await admin.get(maps(namespace)))["items"]
        assert listed["data"]["n"] == str(number)


async def test_an_object_has_its_identity_from_the_first_answer_on(admin: Talker, namespace: str) -> None:
    created = await admin.create(machines(namespace), machine())
    assert created["metadata"]["uid"] == (await admin.get(machines(namespace, "web")))["metadata"]["uid"]
    assert created["metadata"]["creationTimestamp"]
    assert int(created["metadata"]["resourceVersion"]) > 0
    assert (created["apiVersion"], created["kind"]) == ("tensorstack.dev/v1beta1", "VirtualServer")


async def test_a_list_says_what_it_is_and_where_a_watch_goes_on(admin: Talker, namespace: str) -> None:
    listed = await admin.get(maps(namespace))
    assert (listed["kind"], listed["apiVersion"], listed["items"]) == ("ConfigMapList", "v1", [])
    assert int(listed["metadata"]["resourceVersion"]) > 0


async def test_labels_and_fields_select(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map("a", labels={"tier": "front"}))
    await admin.create(maps(namespace), config_map("b", labels={"tier": "back"}))
    await admin.create(maps(namespace), config_map("c"))
    for query, found in (
        ({"labelSelector": "tier=front"}, ["a"]),
        ({"labelSelector": "tier in (front, back)"}, ["a", "b"]),
        ({"labelSelector": "!tier"}, ["c"]),
        ({"fieldSelector": "metadata.name=b"}, ["b"]),
        ({"fieldSelector": "metadata.name!=b"}, ["a", "c"]),
        ({"fieldSelector": f"metadata.namespace={namespace}", "labelSelector": "tier"}, ["a", "b"]),
        ({"fieldSelector": "metadata.name=a,metadata.name=b"}, []),
    ):
        assert names(await admin.get(maps(namespace), **query)) == found, query


async def test_a_list_in_parts_is_the_list(admin: Talker, namespace: str) -> None:
    for number in range(7):
        await admin.create(maps(namespace), config_map(f"m{number}"))
    whole = await admin.get(maps(namespace))
    part = await admin.get(maps(namespace), limit=3)
    assert part["metadata"]["remainingItemCount"] == 4
    found = names(part)
    await admin.create(maps(namespace), config_map("m1a"))  # a part comes from the snapshot the first one was cut from
    while "continue" in part["metadata"]:
        part = await admin.get(maps(namespace), limit=3, **{"continue": part["metadata"]["continue"]})
        found += names(part)
    assert found == names(whole)


async def test_a_continue_token_nobody_gave_is_refused(admin: Talker, namespace: str) -> None:
    bad = await admin.refusal("GET", maps(namespace), 400, params={"continue": "nonsense", "limit": 1})
    assert "continue" in bad["message"]
    old = "eyJvZiI6ICIxLjEiLCAiZnJvbSI6IDF9"  # {"of": "1.1", "from": 1}
    assert (await admin.refusal("GET", maps(namespace), 410, params={"continue": old}))["reason"] == "Expired"


async def test_a_part_of_a_list_goes_on_in_that_list_only(admin: Talker, namespace: str) -> None:
    for number in range(3):
        await admin.create(maps(namespace), config_map(f"m{number}"))
    token = (await admin.get(maps(namespace), limit=1))["metadata"]["continue"]
    other = f"/api/v1/namespaces/{namespace}/secrets"
    assert (await admin.refusal("GET", other, 400, params={"continue": token}))["reason"] == "BadRequest"


async def test_a_table_has_the_kinds_columns_and_a_row_for_each_object(admin: Talker, namespace: str) -> None:
    await admin.create(machines(namespace), machine())
    table = await admin.get(machines(namespace), accept=TABLE)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [each["name"] for each in table["columnDefinitions"]][:3] == ["Name", "Status", "Ready"]
    (row,) = table["rows"]
    assert row["cells"][0] == "web"
    assert row["object"]["kind"] == "PartialObjectMetadata"
    whole = await admin.get(machines(namespace), accept=TABLE, includeObject="Object")
    assert whole["rows"][0]["object"]["spec"]


async def test_metadata_alone_can_be_asked_for(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map())
    listed = await admin.get(maps(namespace), accept=PARTIAL)
    assert listed["kind"] == "PartialObjectMetadataList"
    (item,) = listed["items"]
    assert set(item) == {"kind", "apiVersion", "metadata"}


async def test_a_form_that_nobody_writes_is_not_acceptable(admin: Talker, namespace: str) -> None:
    status = await admin.refusal("GET", maps(namespace), 406, headers={"Accept": "text/html"})
    assert status["reason"] == "NotAcceptable"
    assert (await admin.http.get(maps(namespace), headers={"Accept": "text/html, */*;q=0.1"})).status_code == 200


async def test_protobuf_is_offered_by_go_clients_and_json_is_what_they_get(admin: Talker, namespace: str) -> None:
    accept = "application/vnd.kubernetes.protobuf,application/json"
    answer = await admin.http.get(maps(namespace), headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"


async def test_a_large_list_is_compressed_for_who_takes_that(admin: Talker, namespace: str) -> None:
    await admin.create(maps(namespace), config_map(data={"a": "x" * 200_000}))
    answer = await admin.http.get(maps(namespace), headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["items"][0]["data"]["a"] == "x" * 200_000
    plain = await admin.http.get(maps(namespace), headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers


async def test_head_answers_as_get_does_without_the_body(admin: Talker, namespace: str) -> None:
    answer = await admin.http.head(maps(namespace))
    assert (answer.status_code, answer.content) == (200, b"")
