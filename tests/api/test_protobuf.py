"""Kubernetes' own kinds in protobuf, as Go clients write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.protobuf import PROTOBUF, read_protobuf
from api.refusals import Refusal
from tests.api.talking import Talker, maps


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def sent(api_version: str, kind: str, *fields: bytes) -> bytes:
    unknown = (
        field(1, field(1, api_version) + field(2, kind)) + field(2, b"".join(fields)) + field(3, "") + field(4, "")
    )
    return b"k8s\x00" + unknown


META = field(1, field(1, "settings") + field(2, "") + field(8, b"") + field(11, field(1, "tier") + field(2, "front")))


def test_a_config_map_is_what_json_would_be() -> None:
    body = sent(
        "v1", "ConfigMap", META, field(2, field(1, "a") + field(2, "1")), field(3, field(1, "b") + field(2, b"\xff"))
    )
    assert read_protobuf(body).value == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "labels": {"tier": "front"}},
        "data": {"a": "1"},
        "binaryData": {"b": "/w=="},
    }


def test_numbers_times_quantities_and_either_are_what_json_would_be() -> None:
    moment = field(8, field(1, 1_700_000_000))
    port = field(1, field(3, 80) + field(4, field(1, 0) + field(2, 8080)) + field(5, 0))
    named = field(1, field(3, 443) + field(4, field(1, 1) + field(3, "https")))
    service = read_protobuf(sent("v1", "Service", field(1, field(1, "s") + moment), field(2, port + named))).value
    assert service["metadata"] == {"name": "s", "creationTimestamp": "2023-11-14T22:13:20Z"}
    assert service["spec"]["ports"] == [{"port": 80, "targetPort": 8080}, {"port": 443, "targetPort": "https"}]
    quota = sent("v1", "ResourceQuota", META, field(2, field(1, field(1, "pods") + field(2, field(1, "2")))))
    assert read_protobuf(quota).value["spec"] == {"hard": {"pods": "2"}}


def test_a_false_behind_a_pointer_is_said_and_an_empty_text_is_not() -> None:
    value = read_protobuf(sent("v1", "ServiceAccount", META, field(4, 0))).value
    assert value["automountServiceAccountToken"] is False
    assert "generateName" not in value["metadata"]


def test_a_number_below_zero_is_read() -> None:
    options = read_protobuf(sent("v1", "DeleteOptions", field(1, -1), field(4, "Background"), field(5, "All"))).value
    assert options["gracePeriodSeconds"] == -1
    assert (options["propagationPolicy"], options["dryRun"]) == ("Background", ["All"])


def test_fields_that_are_not_known_are_skipped() -> None:
    odd = field(99, "new") + varint(98 << 3 | 1) + b"12345678" + varint(97 << 3 | 5) + b"1234"
    assert read_protobuf(sent("v1", "Namespace", META, odd)).value["metadata"]["name"] == "settings"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"k8s\x00\xff",
        sent("v1", "Pod", META),
        sent("v1", "ConfigMap", field(1, 7)),
        sent("v1", "ConfigMap", varint(1 << 3 | 2) + varint(1000)),
        sent("v1", "ConfigMap", varint(1 << 3 | 3)),
        sent("v1", "ConfigMap", field(1, field(1, b"\xff"))),
        sent("v1", "ConfigMap", b"\x08" + b"\xff" * 11),
        sent("v1", "ConfigMap", field(1, field(8, field(1, 2**62)))),
    ],
)
def test_what_is_malformed_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_protobuf(body)
    assert refused.value.code == 400


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_to_be_refused(raw: bytes) -> None:
    for body in (raw, b"k8s\x00" + raw, sent("v1", "Service", raw), sent("v1", "PersistentVolumeClaim", raw)):
        with suppress(Refusal):
            assert isinstance(read_protobuf(body).value, dict)


async def test_an_object_is_created_from_protobuf(admin: Talker, namespace: str) -> None:
    body = sent("v1", "ConfigMap", META, field(2, field(1, "a") + field(2, "1")))
    answer = await admin.http.post(maps(namespace), content=body, headers={"Content-Type": PROTOBUF})
    assert (answer.status_code, answer.json()["data"]) == (201, {"a": "1"})


async def test_a_kind_of_the_projects_own_is_not_read_from_protobuf(admin: Talker, namespace: str) -> None:
    path = f"/apis/tensorstack.dev/v1beta1/namespaces/{namespace}/virtualservers"
    body = sent("tensorstack.dev/v1beta1", "VirtualServer", META)
    status = await admin.refusal("POST", path, 400, content=body, headers={"Content-Type": PROTOBUF})
    assert "send JSON" in status["message"]
